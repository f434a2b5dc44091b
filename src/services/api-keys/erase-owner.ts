/** Ends the keys of an erased owner, with their agents, and forgets the names they were given. */
import type { Database } from '../ports.ts';

/** In the caller's transaction. Idempotent. Every process refuses the keys from 1 s after the commit. */
export async function eraseKeysOf(
  tx: Database,
  ownerId: string,
  { erasedAt }: { erasedAt: string },
): Promise<void> {
  await tx.query({
    text: `UPDATE api_key_agents AS a SET revoked_at = coalesce(a.revoked_at, $2), name = 'erased'
             FROM api_keys AS k WHERE k.id = a.key_id AND k.owner_id = $1`,
    values: [ownerId, erasedAt],
  });
  await tx.query({
    text: `UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2), name = 'erased' WHERE owner_id = $1`,
    values: [ownerId, erasedAt],
  });
}
