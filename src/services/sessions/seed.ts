/**
 * Seeds users `user<id>@example.test`, ids from 1, user n in organisation n. They share one password and one hash, so
 * that thousands of accounts need no minutes of hashing. Never used for a registered account.
 */
import { createHash } from 'node:crypto';
import type { PasswordDesign } from '../design.ts';
import type { Database } from '../ports.ts';
import { hashPassword } from './hashing/password.ts';

export const SEED_PASSWORD = 'seeded users share this password';
export const seedEmail = (id: number): string => `user${id}@example.test`;

export async function seedUsers(
  db: Database,
  given: { users: number; seed: number; anchor: string; password: PasswordDesign },
): Promise<void> {
  const salt = createHash('sha256').update(`salt:${given.seed}`).digest().subarray(0, 16);
  const values = [given.users, given.anchor];
  await db.query({
    text: `INSERT INTO organisations (id, name, created_at)
           SELECT n, 'organisation ' || n, $2::timestamptz - interval '361 days'
             FROM generate_series(1, $1::bigint) AS n`,
    values,
  });
  const hash = await hashPassword(SEED_PASSWORD, salt, given.password);
  await db.query({
    text: `INSERT INTO users (id, organisation_id, email, password_hash, created_at)
           SELECT n, n, 'user' || n || '@example.test', $2, $3::timestamptz - interval '361 days'
             FROM generate_series(1, $1::bigint) AS n`,
    values: [given.users, hash, given.anchor],
  });
  await db.query({
    text: `SELECT setval(pg_get_serial_sequence('users', 'id'), max(id)),
                  setval(pg_get_serial_sequence('organisations', 'id'), max(id)) FROM users`,
  });
}
