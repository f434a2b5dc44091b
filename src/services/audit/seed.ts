/**
 * A seeded history: `rows` events over the 360 days before the anchor, ids in order of time, the same for the same
 * seed and anchor. Uneven as real ones are: the first `heavyUsers` own `heavyRows` each; the rest is spread over the
 * other users with a mild skew (about u^1.25), some hundred rows each.
 *
 * Row n has the owner of n * step mod rows; step is coprime to rows and near the golden ratio, so that the number of
 * heavy rows is exact and they are spread evenly. All rows have transaction 1, older than any real one: they are first in
 * the chain, in order of id, and the same seed gives the same hashes.
 */
import type { Database } from '../ports.ts';

export interface HistorySize {
  readonly rows: number;
  readonly users: number;
  readonly heavyUsers: number;
  readonly heavyRows: number;
}

const HISTORY_DAYS = 360;

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

function coprimeStep(rows: number): number {
  let step = Math.max(1, Math.floor(rows * 0.618));
  while (gcd(step, rows) !== 1) step += 1;
  return step;
}

const text = `
INSERT INTO audit_logs (id, event_id, occurred_at, received_at, xid, organisation_id, user_id, action, resource_type, resource_id,
                        outcome, reason, request_id, region, service)
SELECT n,
       (lpad(to_hex((extract(epoch FROM occurred_at) * 1000)::bigint), 12, '0')
          || '7' || lpad(to_hex(h & 4095), 3, '0') || '8' || lpad(to_hex((h >> 4) & 1152921504606846975), 15, '0'))::uuid,
       occurred_at, occurred_at, '1'::xid8, user_id, user_id,
       (ARRAY['project.read','project.read','project.read','project.list','project.list','project.create',
              'activity.read','user.read','session.login','session.logout'])[1 + pick],
       (ARRAY['project','project','project','project','project','project',
              'activity','user','session','session'])[1 + pick],
       CASE WHEN pick < 6 THEN 'p' || (h >> 8 & 1048575) END,
       CASE WHEN denied THEN 'denied' ELSE 'success' END,
       CASE WHEN denied THEN 'rate-limited' END,
       'seed:' || lpad(to_hex(n), 12, '0'),
       'us', 'seed'
  FROM (SELECT n, h, ((h >> 20) & 1023) % 10 AS pick, (h >> 28 & 63) = 0 AS denied,
               CASE WHEN place < $3::bigint * $4::bigint THEN 1 + place % greatest($3::bigint, 1)
                    ELSE 1 + $3::bigint
                       + floor(($2::bigint - $3::bigint) * power((u & 16777215) / 16777216.0::float8, 1.25))::bigint
               END AS user_id,
               $6::timestamptz - interval '${HISTORY_DAYS} days'
                 + make_interval(secs => floor((n - 1 + (u >> 24 & 16777215) / 16777216.0::float8)
                     * (${HISTORY_DAYS} * 86400.0::float8 * 1e6 / $1::bigint)) / 1e6) AS occurred_at
          FROM (SELECT n, (n * $7::bigint) % $1::bigint AS place,
                       hashint8extended(n, $5::bigint) AS h, hashint8extended(-n, $5::bigint) AS u
                  FROM generate_series(1, $1::bigint) AS n) AS numbered) AS owned`;

export async function seedHistory(
  db: Database,
  given: HistorySize & { seed: number; anchor: string },
): Promise<void> {
  const { rows, users, heavyUsers, heavyRows, seed, anchor } = given;
  if (rows <= 0) return;
  if (heavyUsers * heavyRows > rows || heavyUsers >= users)
    throw new Error(
      `${heavyUsers} heavy users with ${heavyRows} rows each do not fit in ${rows} rows of ${users} users`,
    );
  const values = [rows, users, heavyUsers, heavyRows, seed, anchor, coprimeStep(rows)];
  await db.query({ text, values });
  await db.query({
    text: `SELECT setval('audit_log_id', max(id)) FROM audit_logs`,
  });
}
