/**
 * Erases what an account holds of a person: address, password, devices and network addresses of sessions. The row stays,
 * disabled, because the audit log and the session events name its id; that id is all they know of the person. The
 * address is free for another registration, which gets another id.
 */
import type { Database } from '../../ports.ts';

/** Not an address, so nobody can log in with it or register it. */
export const ERASED_ADDRESS = "'erased:' || id";

/** In the caller's transaction, which ends the sessions too. Idempotent. */
export async function eraseAccount(tx: Database, userId: string, erasedAt: string): Promise<void> {
  // An organisation that a registration created is named after the address.
  await tx.query({
    text: `UPDATE organisations AS o SET name = 'erased' FROM users AS u
            WHERE u.id = $1 AND o.id = u.organisation_id AND o.name = u.email`,
    values: [userId],
  });
  await tx.query({
    text: `UPDATE users SET email = ${ERASED_ADDRESS}, password_hash = 'erased',
                  disabled_at = coalesce(disabled_at, $2) WHERE id = $1`,
    values: [userId, erasedAt],
  });
  await tx.query({
    text: `UPDATE sessions SET device = NULL, ip = NULL
            WHERE user_id = $1 AND (device IS NOT NULL OR ip IS NOT NULL)`,
    values: [userId],
  });
}
