/** Users in PostgreSQL. A registration creates the user's own organisation in the same statement. */
import type { Membership } from '../../authorization.ts';
import { type Clock, isoFromUs, type TransactionalDatabase } from '../../ports.ts';
import type { User, UserStore } from '../contract.ts';
import { ERASED_ADDRESS } from './erase-account.ts';

const columns = `id, organisation_id AS "organisationId", email, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "createdAt"`;
const membership = `organisation_id AS "organisationId", role, disabled_at IS NOT NULL AS disabled`;

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
      const rows = await db.query<{ passwordHash: string }>({
        name: 'user-credentials',
        text: 'SELECT password_hash AS "passwordHash" FROM users WHERE id = $1 AND disabled_at IS NULL',
        values: [id],
      });
      return rows[0] ?? null;
    },

    async findMembership(id) {
      const [found] = await db.query<Membership>({
        name: 'user-membership',
        text: `SELECT ${membership} FROM users WHERE id = $1`,
        values: [id],
      });
      return found ?? null;
    },

    assignRole: ({ userId, organisationId }, role, recordIn) =>
      db.transaction(async (tx) => {
        const [found] = await tx.query<Membership>({
          text: `SELECT ${membership} FROM users WHERE id = $1 AND organisation_id = $2 FOR NO KEY UPDATE`,
          values: [userId, organisationId],
        });
        if (!found) return null;
        const before = found.role;
        if (before === role) return { before };
        const text = 'UPDATE users SET role = $2 WHERE id = $1';
        await tx.query({ text, values: [userId, role] });
        await recordIn(tx, {
          change: { before: { role: before }, after: { role } },
          affectedOrganisationId: organisationId,
        });
        return { before };
      }),

    remove: ({ userId, organisationId }, recordIn) =>
      db.transaction(async (tx) => {
        // The trigger of the table ends what came with the membership.
        const [found] = await tx.query<{ role: string; newOrganisationId: string }>({
          text: `WITH leaving AS (
                   SELECT id, email, role FROM users WHERE id = $1 AND organisation_id = $2 FOR NO KEY UPDATE),
                 personal AS (
                   INSERT INTO organisations (name, created_at) SELECT email, $3 FROM leaving RETURNING id),
                 moved AS (
                   UPDATE users SET organisation_id = personal.id FROM personal WHERE users.id = $1)
                 SELECT role, personal.id AS "newOrganisationId" FROM leaving, personal`,
          values: [userId, organisationId, isoFromUs(clock.nowUs())],
        });
        if (!found) return false;
        const before = { organisation: organisationId, role: found.role };
        const role = found.role === 'operator' ? found.role : 'member';
        const after = { organisation: found.newOrganisationId, role };
        await recordIn(tx, { change: { before, after }, affectedOrganisationId: organisationId });
        return true;
      }),

    async isErased(id) {
      const text = `SELECT 1 FROM users WHERE id = $1 AND email = ${ERASED_ADDRESS}`;
      return (await db.query({ text, values: [id] })).length > 0;
    },
  };
}
