/** Deletes the projects of an erased owner: nobody else can read them, and their names are the owner's words. */
import type { Database } from '../ports.ts';

/** In the caller's transaction. Idempotent. */
export async function eraseProjectsOf(tx: Database, ownerId: string): Promise<void> {
  await tx.query({ text: 'DELETE FROM projects WHERE owner_id = $1', values: [ownerId] });
}
