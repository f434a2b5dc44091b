/**
 * `platform audit erase`: deletes the encryption key of a user's personal fields (crypto-shredding). The records and
 * the hash chain over them do not change.
 */
import { exitCodes } from '../sim/pure/exit-code.ts';
import { type AuditCall, formatJson } from './audit-call.ts';

export async function eraseUser({
  admin,
  argument: userId,
  flags,
  io,
}: AuditCall): Promise<number> {
  const { eventId } = await admin.erase(userId);
  io.stdout.write(
    flags.json
      ? formatJson({ user: userId, eventId })
      : `the personal fields of user ${userId} can no longer be decrypted; recorded as event ${eventId}\n`,
  );
  return exitCodes.pass;
}
