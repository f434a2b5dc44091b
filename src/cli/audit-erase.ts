/** `platform audit erase`: the key of a user's personal fields goes; every record and the chain over it stay. */
import { EXIT } from '../sim/pure/verdict.ts';
import { type AuditCall, asJson } from './audit-call.ts';

export async function eraseUser({ desk, argument, flags, io }: AuditCall): Promise<number> {
  const { eventId } = await desk.erase(argument);
  io.stdout.write(
    flags.json
      ? asJson({ user: argument, eventId })
      : `the personal fields of user ${argument} can no longer be opened, by anybody; on record as event ${eventId}\n`,
  );
  return EXIT.pass;
}
