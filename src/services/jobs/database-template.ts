/**
 * The database a design starts from: schema, seeded people and history, and for a later design the real migration
 * of what the earlier one left behind. Set-based SQL, so a million rows take seconds; the same for the same seed
 * and anchor.
 */
import { readFileSync } from 'node:fs';
import { readHeads } from '../audit/block-store.ts';
import { look, prepareLooks } from '../audit/look.ts';
import { type HistorySize, seedHistory } from '../audit/seed.ts';
import { createStorage, grantStorage, migrateToMonthly } from '../audit/storage.ts';
import type { Design } from '../design.ts';
import { type Database, isoFromUs } from '../ports.ts';
import { type ProjectsSize, seedProjects } from '../projects/seed.ts';
import { seedUsers } from '../sessions/seed.ts';

// Same depth from src/ and from dist/.
const sql = (file: string) =>
  readFileSync(new URL(`../../../src/services/${file}`, import.meta.url), 'utf8');

export interface TemplateSize extends HistorySize, ProjectsSize {
  readonly seed: number;
  /** The end of the seeded history. */
  readonly anchorUs: number;
}

export async function createBase(
  db: Database,
  given: TemplateSize & { schema: string; design: Design },
): Promise<void> {
  const anchor = isoFromUs(given.anchorUs);
  await inTransaction(db, async () => {
    await db.query({ text: `CREATE SCHEMA IF NOT EXISTS "${given.schema.replaceAll('"', '""')}"` });
    await db.query({ text: sql('sessions/schema.sql') });
    await db.query({ text: sql('api-keys/schema.sql') });
    await db.query({ text: sql('projects/schema.sql') });
    await db.query({ text: sql('rate-limit/schema.sql') });
    await db.query({ text: sql('rate-limit/members.sql') });
    await createStorage(db);
    await seedUsers(db, { ...given, anchor, password: given.design.sessions.password });
    await seedProjects(db, { ...given, anchor });
    await seedHistory(db, { ...given, anchor });
    await grantStorage(db);
  });
}

/** From the base to what the design needs; nothing for a design that uses the base as it is. */
export async function migrate(
  db: Database,
  given: { design: Design; anchorUs: number },
): Promise<void> {
  const { storage } = given.design.audit;
  if (storage.kind !== 'monthly') return;
  await inTransaction(db, () => migrateToMonthly(db, { nowUs: given.anchorUs, storage }));
}

/**
 * The seeded history gets its chain as a live one does, look after look; blocks are dated at the anchor. Before it is
 * moved to months: looks are for the live table, and old months leave it.
 */
export async function chainHistory(
  db: Database,
  given: { design: Design; anchorUs: number },
): Promise<void> {
  const { chain } = given.design.audit;
  if (chain.kind === 'none') return;
  await prepareLooks(db);
  let heads = await readHeads(db, chain.shards);
  for (;;) {
    const seen = await look(db, { heads, size: chain, nowUs: given.anchorUs });
    if (seen.heads === null) throw new Error('something else chains the log that is being made');
    heads = seen.heads;
    if (seen.records < chain.maxRecords) break;
  }
  await db.query({ text: 'RESET ALL' });
}

/** Statistics and visibility as after a night of autovacuum, so that no run pays for them. Our schema only. */
export async function settle(db: Database): Promise<void> {
  const tables = await db.query<{ name: string }>({
    text: `SELECT oid::regclass::text AS name FROM pg_class
            WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`,
  });
  await db.query({ text: `VACUUM (ANALYZE) ${tables.map(({ name }) => name).join(', ')}` });
}

async function inTransaction(db: Database, work: () => Promise<void>): Promise<void> {
  await db.query({ text: 'BEGIN' });
  try {
    await work();
    await db.query({ text: 'COMMIT' });
  } catch (error) {
    // The error that matters is the first; a broken connection rolls back by itself.
    await db.query({ text: 'ROLLBACK' }).catch(() => null);
    throw error;
  }
}
