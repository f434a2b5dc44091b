/** Projects in PostgreSQL. Every statement names the owner, so isolation does not depend on a later check. */
import {
  type Clock,
  isoFromUs,
  type Random,
  type TransactionalDatabase,
  timeOrderedId,
} from '../ports.ts';
import type { Project, Projects } from './contract.ts';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly created_at: string;
}

const MAX_FOUND = 20;
const columns = `id, name, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at`;
const fromRow = (row: Row): Project => ({ id: row.id, name: row.name, createdAt: row.created_at });

export function createProjects(given: {
  db: TransactionalDatabase;
  clock: Clock;
  random: Random;
}): Projects {
  const { db, clock, random } = given;
  return {
    create: (ownerId, name, recordIn) =>
      db.transaction(async (tx) => {
        const nowUs = clock.nowUs();
        const rows = await tx.query<Row>({
          name: 'project-create',
          text: `INSERT INTO projects (id, owner_id, name, created_at) VALUES ($1, $2, $3, $4) RETURNING ${columns}`,
          values: [timeOrderedId(nowUs, random.uuid()), ownerId, name, isoFromUs(nowUs)],
        });
        const project = fromRow(rows[0]!);
        await recordIn(tx, { resourceId: project.id });
        return project;
      }),

    async find(ownerId, id) {
      const rows = await db.query<Row>({
        name: 'project-find',
        text: `SELECT ${columns} FROM projects WHERE id = $1 AND owner_id = $2`,
        values: [id, ownerId],
      });
      return rows[0] ? fromRow(rows[0]) : null;
    },

    async list(ownerId, { cursor, limit }) {
      // One row more than the limit shows whether there is another page.
      const rows = await db.query<Row>({
        name: 'project-list',
        text: `SELECT ${columns} FROM projects WHERE owner_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`,
        values: [ownerId, cursor ?? 'ffffffff-ffff-ffff-ffff-ffffffffffff', limit + 1],
      });
      const items = rows.slice(0, limit).map(fromRow);
      return { items, next: rows.length > limit ? items.at(-1)!.id : null };
    },

    async search(ownerId, text) {
      const rows = await db.query<Row & { total: number }>({
        name: 'project-search',
        text: `SELECT ${columns}, total
                 FROM (SELECT *, count(*) OVER ()::int AS total FROM projects
                        WHERE owner_id = $1 AND name ILIKE $2 ORDER BY id DESC LIMIT ${MAX_FOUND}) AS found
                ORDER BY id DESC`,
        values: [ownerId, `%${text.replace(/[\\%_]/g, '\\$&')}%`],
      });
      return { items: rows.map(fromRow), total: rows[0]?.total ?? 0 };
    },
  };
}
