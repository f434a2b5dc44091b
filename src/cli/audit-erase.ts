/**
 * `platform audit erase`: erases a person. The encryption key of their personal fields is deleted (crypto-shredding); the
 * records and the hash chain over them do not change. Account, sessions, keys and projects go as well.
 */
import { auditRetentionDays } from '../services/lineage.ts';
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
      : `user ${userId} is erased: the account is closed, and the personal fields in the log can no longer be decrypted\n` +
          `kept       who did what, when, with which outcome, under ids, for ${auditRetentionDays} days at least\n` +
          `recorded   as event ${eventId}\n`,
  );
  return exitCodes.pass;
}
