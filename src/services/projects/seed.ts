/**
 * Seeded projects, the same for the same seed and anchor: a few per user, and `heavyProjects` for the users whose
 * searches are to cost something. Set-based: one statement.
 */
import type { Database } from '../ports.ts';

const PER_USER = 3;

export interface ProjectsSize {
  /** Users from 1 on with `heavyProjects` projects instead of a few; default none. */
  readonly searchUsers?: number;
  readonly heavyProjects?: number;
}

const words = {
  subject: ['Billing', 'Checkout', 'Inventory', 'Search', 'Payroll', 'Onboarding', 'Warehouse'],
  kind: ['service', 'dashboard', 'migration', 'API', 'importer', 'mobile app', 'reports', 'pilot'],
  place: ['Berlin', 'Lisbon', 'Osaka', 'Toronto', 'Nairobi', 'Lima', 'Oslo', 'Perth', 'Leeds'],
};

const pick = (list: readonly string[], shift: number) =>
  `(ARRAY['${list.join("','")}'])[1 + (h >> ${shift} & 1023) % ${list.length}]`;

const text = `
INSERT INTO projects (id, owner_id, name, created_at)
SELECT (lpad(to_hex((extract(epoch FROM created_at) * 1000)::bigint), 12, '0')
          || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
       user_id,
       CASE WHEN user_id > $4::bigint THEN 'Project ' || n || ' of user ' || user_id
            ELSE ${pick(words.subject, 0)} || ' ' || ${pick(words.kind, 10)} || ' ' || ${pick(words.place, 20)} || ' ' || n
       END, created_at
  FROM (SELECT user_id, n, md5($2::text || ':project:' || user_id || ':' || n) AS hash,
               hashint8extended(user_id * 1000000 + n, $2::bigint) AS h,
               CASE WHEN user_id > $4::bigint
                    THEN $3::timestamptz - interval '30 days' * (${PER_USER} + 1 - n)
                    ELSE $3::timestamptz - interval '360 days' * (1 - (n - 1.0) / $5::bigint)
               END - interval '1 second' * user_id AS created_at
          FROM generate_series(1, $1::bigint) AS user_id,
               generate_series(1, CASE WHEN user_id > $4::bigint THEN ${PER_USER} ELSE $5::bigint END) AS n) AS s`;

export async function seedProjects(
  db: Database,
  given: ProjectsSize & { users: number; seed: number; anchor: string },
): Promise<void> {
  const { users, seed, anchor, searchUsers = 0, heavyProjects = 0 } = given;
  await db.query({ text, values: [users, String(seed), anchor, searchUsers, heavyProjects] });
}
