/**
 * One-shot: builds the database a design starts from. Params: design, rows, users, heavyUsers, heavyRows, searchUsers
 * (users from 1 that have heavyProjects projects each), anchor (ISO time; default today 00:00 UTC) and step: `base`
 * (schema and data), `chain` (of the seeded history, while it is one table), `migrate`, or `all`, in this order. Prints
 * how long each took.
 */

import { openConnection } from '../gateway/clients.ts';
import { ConfigError, readParams } from '../gateway/process-config.ts';
import { findDesign } from '../lineage.ts';
import { chainHistory, createBase, migrate, vacuumAndAnalyze } from './database-template.ts';
import { runOneShot } from './one-shot.ts';

const steps = ['base', 'chain', 'migrate', 'all'];

await runOneShot(async ({ databaseUrl, databaseSchema, seed, params: rawParams }) => {
  const params = readParams(rawParams, 'params');
  const design = findDesign(params.string('design'));
  const step = params.string('step', 'all');
  if (!steps.includes(step))
    throw new ConfigError(`params.step must be one of ${steps.join(', ')}, not '${step}'`);
  const today = `${new Date().toISOString().slice(0, 10)}T00:00:00Z`;
  const anchorUs = Date.parse(params.string('anchor', today)) * 1_000;
  if (Number.isNaN(anchorUs)) throw new ConfigError('params.anchor must be an ISO time');

  const db = await openConnection(databaseUrl);
  const timed = async (name: string, work: () => Promise<void>) => {
    if (step !== name && step !== 'all') return;
    const startedMs = performance.now();
    await work();
    process.stdout.write(`${name} ${((performance.now() - startedMs) / 1_000).toFixed(1)} s\n`);
  };
  try {
    await timed('base', () =>
      createBase(db, {
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
      }),
    );
    await timed('chain', () => chainHistory(db, { design, anchorUs }));
    await timed('migrate', () => migrate(db, { design, anchorUs }));
    await vacuumAndAnalyze(db);
  } finally {
    await db.close();
  }
});
