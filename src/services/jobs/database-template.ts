/**
 * The database a design starts from: schema, seeded people and history, and for a later design the real migration
 * of what the earlier one left behind. Set-based SQL, so a million rows take seconds; the same for the same seed
 * and anchor.
 */
import { readFileSync } from 'node:fs';
import { readHeads } from '../audit/block-store.ts';
import { type HistorySize, seedHistory } from '../audit/seed.ts';
import { forceIndexScans, sequenceBatch } from '../audit/sequencer/sequence-batch.ts';
import { createStorage, grantStorage, migrateToMonthly } from '../audit/storage.ts';
import type { Design } from '../design.ts';
import { type Database, isoFromUs } from '../ports.ts';
import { type ProjectsSize, seedProjects } from '../projects/seed.ts';
import { seedUsers } from '../sessions/seed.ts';

// Same depth from src/ and from dist/.
const readSql = (file: string) =>
  readFileSync(new URL(`../../../src/services/${file}`, import.meta.url), 'utf8');

export interface TemplateSize extends HistorySize, ProjectsSize {
  readonly seed: number;
  /** The end of the seeded history. */
  readonly anchorUs: number;
}

export async function createBase(
  db: Database,
  options: TemplateSize & { schema: string; design: Design },
): Promise<void> {
  const anchor = isoFromUs(options.anchorUs);
  await inTransaction(db, async () => {
    await db.query({
      text: `CREATE SCHEMA IF NOT EXISTS "${options.schema.replaceAll('"', '""')}"`,
    });
    await db.query({ text: readSql('sessions/schema.sql') });
    await db.query({ text: readSql('api-keys/schema.sql') });
    await db.query({ text: readSql('projects/schema.sql') });
    await db.query({ text: readSql('rate-limit/schema.sql') });
    await db.query({ text: readSql('rate-limit/members.sql') });
    await createStorage(db);
    await seedUsers(db, { ...options, anchor, password: options.design.sessions.password });
    await seedProjects(db, { ...options, anchor });
    await seedHistory(db, { ...options, anchor });
    await grantStorage(db);
  });
}

/** From the base to what the design needs; nothing for a design that uses the base as it is. */
export async function migrate(
  db: Database,
  options: { design: Design; anchorUs: number },
): Promise<void> {
  const { storage } = options.design.audit;
  if (storage.kind !== 'monthly') return;
  await inTransaction(db, () => migrateToMonthly(db, { nowUs: options.anchorUs, storage }));
}

/**
 * Chains the seeded history batch by batch, as a live one; blocks are dated at the anchor. It runs before the migration
 * to months, because the sequencer reads only the live table.
 */
export async function chainHistory(
  db: Database,
  options: { design: Design; anchorUs: number },
): Promise<void> {
  const { chain } = options.design.audit;
  if (chain.kind === 'none') return;
  await forceIndexScans(db);
  let heads = await readHeads(db, chain.shards);
  for (;;) {
    const batch = await sequenceBatch(db, { heads, options: chain, nowUs: options.anchorUs });
    if (batch.heads === null) throw new Error('something else chains the log that is being made');
    heads = batch.heads;
    if (batch.records < chain.maxRecords) break;
  }
  await db.query({ text: 'RESET ALL' });
}

/** Statistics and visibility maps as autovacuum leaves them, so that no run pays for them. Our schema only. */
export async function vacuumAndAnalyze(db: Database): Promise<void> {
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
