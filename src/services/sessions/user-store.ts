/** Users in PostgreSQL. A registration creates the user's own organisation in the same statement. */
import { type Clock, isoFromUs, type TransactionalDatabase } from '../ports.ts';
import type { User, UserStore } from './contract.ts';
import { ERASED_ADDRESS } from './erase-account.ts';

const columns = `id, organisation_id AS "organisationId", email, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "createdAt"`;

export function createUserStore(given: { db: TransactionalDatabase; clock: Clock }): UserStore {
  const { db, clock } = given;
  return {
    create: (email, passwordHash, recordIn) =>
      db.transaction(async (tx) => {
        const created = await tx.query({
          text: `WITH created AS (
                 INSERT INTO users (email, password_hash, created_at, organisation_id)
                 VALUES ($1, $2, $3, nextval(pg_get_serial_sequence('organisations', 'id')))
                 ON CONFLICT (email) DO NOTHING RETURNING id, email, created_at, organisation_id),
               personal AS (
                 INSERT INTO organisations (id, name, created_at)
                 SELECT organisation_id, email, created_at FROM created)
               SELECT 1 FROM created`,
          values: [email, passwordHash, isoFromUs(clock.nowUs())],
        });
        const [user] = await tx.query<User>({
          text: `SELECT ${columns} FROM users WHERE email = $1`,
          values: [email],
        });
        const isNew = created.length > 0;
        const { id, organisationId } = user!;
        const denial = isNew ? {} : { denial: 'address-taken' };
        await recordIn(tx, { userId: id, organisationId, resourceId: id, ...denial });
        return { user: user!, isNew };
      }),

    async findByEmail(email) {
      const rows = await db.query<{
        id: string;
        organisationId: string;
        passwordHash: string | null;
      }>({
        name: 'user-by-email',
        text: `SELECT id, organisation_id AS "organisationId",
                      CASE WHEN disabled_at IS NULL THEN password_hash END AS "passwordHash"
                 FROM users WHERE email = $1`,
        values: [email],
      });
      return rows[0] ?? null;
    },

    async find(id) {
      const rows = await db.query<User>({
        name: 'user-by-id',
        text: `SELECT ${columns} FROM users WHERE id = $1`,
        values: [id],
      });
      return rows[0] ?? null;
    },

    async findCredentials(id) {
      const rows = await db.query<{ passwordHash: string; role: string }>({
        name: 'user-credentials',
        text: 'SELECT password_hash AS "passwordHash", role FROM users WHERE id = $1 AND disabled_at IS NULL',
        values: [id],
      });
      return rows[0] ?? null;
    },

    async isErased(id) {
      const text = `SELECT 1 FROM users WHERE id = $1 AND email = ${ERASED_ADDRESS}`;
      return (await db.query({ text, values: [id] })).length > 0;
    },
  };
}
