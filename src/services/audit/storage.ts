/**
 * Creates and migrates the audit tables: schema, append-only triggers, monthly partitions. `prepareStorage` is the
 * maintenance of the live service; the others run once, in the caller's transaction.
 */
import { readFileSync } from 'node:fs';
import { type AuditStorageDesign, DATABASE_ROLES } from '../design.ts';
import { type Clock, type Database, isoFromUs } from '../ports.ts';

// Same depth from src/ and from dist/.
const sql = (name: string) =>
  readFileSync(new URL(`../../../src/services/audit/${name}`, import.meta.url), 'utf8');

const DAY_US = 86_400_000_000;
const monthsAheadUs = 62 * DAY_US;

/** Without the retention, which concerns only archiving. */
type MonthlyStorage = Omit<Extract<AuditStorageDesign, { kind: 'monthly' }>, 'retentionDays'>;

const indexes: Readonly<Record<MonthlyStorage['indexes'][number], string>> = {
  tenant: 'organisation_id, occurred_at DESC, id DESC',
  actor: 'user_id, occurred_at DESC, id DESC',
};

/** The services' roles are created only in the platform's own schemas, not on a user's server. */
const ownSchemas = ['platform', 'public'];

export async function createStorage(db: Database): Promise<void> {
  await db.query({ text: sql('schema.sql') });
  await db.query({ text: sql('protect.sql') });
}

/** Grants privileges; call it after the last table was created. */
export async function grantStorage(db: Database): Promise<void> {
  await db.query({
    text: 'SELECT audit_grant($1, $2) WHERE current_schema() = ANY ($3::text[])',
    values: [DATABASE_ROLES.gateway, DATABASE_ROLES.sequencer, ownSchemas],
  });
}

export async function migrateToMonthly(
  db: Database,
  given: { nowUs: number; storage: MonthlyStorage },
): Promise<void> {
  await db.query({ text: sql('migrate-monthly.sql') });
  for (const name of given.storage.indexes)
    for (const parent of ['audit_logs', 'audit_archive'])
      await db.query({ text: `CREATE INDEX ${parent}_${name} ON ${parent} (${indexes[name]})` });
  await db.query({ text: 'SELECT audit_protect(name) FROM audit_tables() AS name' });
  await ensureMonths(db, given.nowUs);
  const cutoff = isoFromUs(given.nowUs - given.storage.liveDays * DAY_US);
  await db.query({ text: 'SELECT audit_archive_before($1)', values: [cutoff] });
  await grantStorage(db);
}

/** Creates the partitions of the coming months; before the first request and once a day. */
export async function prepareStorage(
  db: Database,
  given: { clock: Clock; storage: AuditStorageDesign },
): Promise<void> {
  if (given.storage.kind === 'monthly') await ensureMonths(db, given.clock.nowUs());
}

async function ensureMonths(db: Database, nowUs: number): Promise<void> {
  await db.query({
    text: 'SELECT audit_ensure_months($1, $2)',
    values: [isoFromUs(nowUs), isoFromUs(nowUs + monthsAheadUs)],
  });
}
