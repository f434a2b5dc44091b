/** Sessions as PostgreSQL has them. */
import type { Database } from '../ports.ts';
import type { StoredSession } from './policy.ts';

export interface LedgerRow extends StoredSession {
  readonly lastSeenAtMs: number;
  readonly revoked: boolean;
}

/** SQL: a timestamp as milliseconds since the epoch. */
export const ms = (column: string) => `(extract(epoch FROM ${column}) * 1000)::bigint`;

interface Raw {
  readonly id: string;
  readonly userId: string;
  readonly organisationId: string;
  readonly secretHash: Buffer;
  readonly createdAt: string;
  readonly endsAt: string;
  readonly lastSeenAt: string;
  readonly revoked: boolean;
}

export async function findSessions(
  db: Database,
  ids: readonly string[],
): Promise<Map<string, LedgerRow>> {
  const rows = await db.query<Raw>({
    name: 'sessions-find',
    text: `SELECT id, user_id AS "userId", organisation_id AS "organisationId", secret_hash AS "secretHash",
                  revoked_at IS NOT NULL AS revoked,
                  ${ms('created_at')} AS "createdAt", ${ms('ends_at')} AS "endsAt", ${ms('last_seen_at')} AS "lastSeenAt"
             FROM sessions WHERE id = ANY($1::text[])`,
    values: [ids],
  });
  return new Map(
    rows.map(({ createdAt, endsAt, lastSeenAt, ...row }) => [
      row.id,
      {
        ...row,
        createdAtMs: Number(createdAt),
        endsAtMs: Number(endsAt),
        lastSeenAtMs: Number(lastSeenAt),
      },
    ]),
  );
}
