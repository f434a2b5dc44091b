/** `platform audit erase`: erases the key of a user's personal fields; records and chain do not change. */
import { exitCodes } from '../sim/pure/exit-code.ts';
import { type AuditCall, formatJson } from './audit-call.ts';

export async function eraseUser({ admin, argument, flags, io }: AuditCall): Promise<number> {
  const { eventId } = await admin.erase(argument);
  io.stdout.write(
    flags.json
      ? formatJson({ user: argument, eventId })
      : `the personal fields of user ${argument} can no longer be decrypted; recorded as event ${eventId}\n`,
  );
  return exitCodes.pass;
}
