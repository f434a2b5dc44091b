/**
 * One-shot: builds the database a design starts from. Params: design, rows, users, heavyUsers, heavyRows,
 * searchUsers (users from 1 that have heavyProjects projects each), anchor (ISO time; default today 00:00 UTC) and step: `base` (schema and data), `migrate`, or `all`.
 */
import { findDesign } from '../lineage.ts';
import { openConnection } from './clients.ts';
import { createBase, migrate, settle } from './database-template.ts';
import { runOneShot } from './one-shot.ts';
import { ConfigError, readParams } from './process-config.ts';

await runOneShot(async ({ databaseUrl, databaseSchema, seed, params: given }) => {
  const params = readParams(given, 'params');
  const design = findDesign(params.string('design'));
  const step = params.string('step', 'all');
  if (!['base', 'migrate', 'all'].includes(step))
    throw new ConfigError(`params.step must be base, migrate or all, not '${step}'`);
  const today = `${new Date().toISOString().slice(0, 10)}T00:00:00Z`;
  const anchorUs = Date.parse(params.string('anchor', today)) * 1_000;
  if (Number.isNaN(anchorUs)) throw new ConfigError('params.anchor must be an ISO time');

  const db = await openConnection(databaseUrl);
  try {
    if (step !== 'migrate') {
      await createBase(db, {
        schema: databaseSchema,
        design,
        seed,
        anchorUs,
        rows: params.integer('rows', 1_000_000),
        users: params.integer('users', 5_000),
        heavyUsers: params.integer('heavyUsers', 4),
        heavyRows: params.integer('heavyRows', 60_000),
        searchUsers: params.integer('searchUsers', 0),
        heavyProjects: params.integer('heavyProjects', 0),
      });
    }
    if (step !== 'base') await migrate(db, { design, anchorUs });
    await settle(db);
  } finally {
    await db.close();
  }
});
