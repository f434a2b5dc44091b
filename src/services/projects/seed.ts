/** Seeded projects: a few per user, the same for the same seed and anchor. Set-based: one statement. */
import type { Database } from '../ports.ts';

const perUser = 3;

export async function seedProjects(
  db: Database,
  given: { users: number; seed: number; anchor: string },
): Promise<void> {
  await db.query({
    text: `
      INSERT INTO projects (id, owner_id, name, created_at)
      SELECT (lpad(to_hex((extract(epoch FROM created_at) * 1000)::bigint), 12, '0')
                || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
             user_id, 'Project ' || n || ' of user ' || user_id, created_at
        FROM (SELECT user_id, n, md5($2::text || ':project:' || user_id || ':' || n) AS hash,
                     $3::timestamptz - interval '30 days' * (${perUser} + 1 - n)
                       - interval '1 second' * user_id AS created_at
                FROM generate_series(1, $1::bigint) AS user_id, generate_series(1, ${perUser}) AS n) AS s`,
    values: [given.users, String(given.seed), given.anchor],
  });
}
