/**
 * Administration of the log without a gateway, for operators and auditors: verify, prove one event, export, archive and
 * attach months, erase a user's personal fields. It uses one connection and the state directory. Every change is
 * itself recorded in the log, as an action of the operator.
 */
import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  AdminError,
  eventNotFound,
  notCheckpointed,
  proofInvalid,
  regionUnknown,
  retentionTooShort,
  unreadableFile,
} from '../../audit/admin/admin-error.ts';
import { ArchiveRefused, archivePartition, attachArchive } from '../../audit/archive/archive.ts';
import { ArchiveError, checkArchive } from '../../audit/archive/archive-file.ts';
import { type AuditKeys, openAuditKeys } from '../../audit/audit-keys.ts';
import { exportCsv } from '../../audit/chain/export-csv.ts';
import { exportNdjson } from '../../audit/chain/export-ndjson.ts';
import { exportOcsf } from '../../audit/chain/export-ocsf.ts';
import { checkProof } from '../../audit/chain/proof.ts';
import type { Verification } from '../../audit/chain/verification.ts';
import { verifyLog } from '../../audit/chain/verify.ts';
import { openCheckpointFile } from '../../audit/checkpoint-file.ts';
import { createEventProof, type EventProof } from '../../audit/event-proof.ts';
import { openLogSnapshot, type RetiredRow } from '../../audit/log-source.ts';
import { parseInstant } from '../../audit/search/search-request.ts';
import { inferShardCount } from '../../audit/shard-count.ts';
import { auditRetentionDays } from '../../lineage.ts';
import type { Database } from '../../ports.ts';
import { openConnection } from '../clients.ts';
import { systemClock, systemRandom } from '../system.ts';
import { erasePersonByOperator } from './erase-person.ts';

const exports = { ndjson: exportNdjson, csv: exportCsv, ocsf: exportOcsf };

export interface ExportRequest {
  readonly format: keyof typeof exports;
  /** One organisation; default: all. */
  readonly tenant?: string;
  /** As `parseInstant` returns it; `to` is not included. */
  readonly from?: string;
  readonly to?: string;
}

export interface AuditAdmin {
  verify(request: {
    /** Files of archived months. */
    archives: readonly string[];
    /** PEM; default: the one in the state directory. */
    publicKeyFile?: string;
    /** As in `archive`. */
    minRetentionDays?: number;
  }): Promise<Verification>;
  prove(eventId: string): Promise<EventProof>;
  exportLines(request: ExportRequest): AsyncIterable<string>;
  /** `2026-08`, into a file in `directory`. Rejects a retention below the design's before reading anything. */
  archive(
    month: string,
    request: { directory: string; minRetentionDays?: number },
  ): Promise<RetiredRow>;
  attach(file: string): Promise<RetiredRow>;
  erase(userId: string): Promise<{ eventId: string }>;
  /** `2026-11-21` or a time in UTC; null for any other text. */
  parseInstant(text: string): string | null;
  close(): Promise<void>;
}

export async function openAuditAdmin(target: {
  databaseUrl: string;
  stateDirectory: string | null;
  /** Of the recorded actions of the operator; default: that of the newest event. */
  region?: string;
}): Promise<AuditAdmin> {
  const db = await openLogConnection(target.databaseUrl);
  const folder = target.stateDirectory && path.join(target.stateDirectory, 'audit');
  const checkpointFile = folder && path.join(folder, 'checkpoints.ndjson');
  const operator = async () => ({
    clock: systemClock,
    random: systemRandom,
    region: target.region ?? (await regionOf(db)),
  });
  const openLog = (archiveFile: (retired: RetiredRow) => string | null = () => null) =>
    openLogSnapshot(db, {
      checkpoints: checkpointFile ? openCheckpointFile(checkpointFile) : null,
      archiveFile,
    });

  return {
    async verify({ archives, publicKeyFile, minRetentionDays: days }) {
      const minRetentionDays = checkRetention(days);
      const publicKeys = [await publicKeyOf(folder, publicKeyFile)];
      const files = await filesByDigest(archives, publicKeys);
      const source = await openLog(({ digest }) => files.get(digest) ?? null);
      try {
        const options = { publicKeys, shards: await inferShardCount(db), minRetentionDays };
        return await verifyLog(source, options);
      } finally {
        await source.close();
      }
    },

    prove: (eventId) => proveEvent(db, { folder, checkpointFile }, eventId),

    async *exportLines({ format, tenant, from = null, to = null }) {
      const source = await openLog();
      try {
        const shards = await inferShardCount(db, tenant === undefined ? undefined : [tenant]);
        yield* exports[format](source, { organisationId: tenant ?? null, from, to, shards });
      } finally {
        await source.close();
      }
    },

    async archive(month, { directory, minRetentionDays: days }) {
      const minRetentionDays = checkRetention(days);
      return withAdminErrors(`audit archive ${month}`, async () =>
        archivePartition(db, {
          ...(await operator()),
          keys: await keysOf(folder),
          month,
          directory,
          minRetentionDays,
          reason: 'retention',
        }),
      );
    },

    attach: (file) =>
      withAdminErrors(`audit attach ${file}`, async () =>
        attachArchive(db, { ...(await operator()), file, publicKeys: [await publicKeyOf(folder)] }),
      ),

    erase: (userId) => erasePersonByOperator(db, userId, operator),
    parseInstant,
    close: () => db.close(),
  };
}

async function proveEvent(
  db: Database,
  { folder, checkpointFile }: { folder: string | null; checkpointFile: string | null },
  eventId: string,
): Promise<EventProof> {
  const shards = await inferShardCount(db, await organisationsOf(db, eventId));
  const prove = createEventProof({ db, checkpointFile: checkpointFile!, shards });
  const proof = await prove(null, eventId);
  if (proof === null) throw eventNotFound(eventId);
  if (proof === 'not-sequenced') throw notCheckpointed(eventId);
  const { record, checkpoint } = proof.evidence;
  const publicKey = await publicKeyOf(folder);
  const check = checkProof(record, proof.document.proof, { checkpoint, publicKey });
  if (!check.proven) throw proofInvalid(eventId, check.why);
  return proof;
}

async function openLogConnection(databaseUrl: string) {
  const db = await openConnection(databaseUrl);
  try {
    await assertLog(db);
    return db;
  } catch (error) {
    await db.close();
    throw error;
  }
}

async function assertLog(db: Database): Promise<void> {
  const [found] = await db.query<{ logs: boolean; blocks: boolean }>({
    text: `SELECT to_regclass('audit_logs') IS NOT NULL AS logs, to_regclass('audit_blocks') IS NOT NULL AS blocks`,
  });
  if (found!.logs && found!.blocks) return;
  throw new AdminError('environment', {
    what: 'this database has no audit log',
    why: 'there is no table audit_logs in its search path',
    next: 'platform audit verify --database <url>, as platform serve prints it',
  });
}

/** At least the design's. */
function checkRetention(days = auditRetentionDays): number {
  if (days < auditRetentionDays) throw retentionTooShort(days, auditRetentionDays);
  return days;
}

async function regionOf(db: Database): Promise<string> {
  const [newest] = await db.query<{ region: string }>({
    text: 'SELECT region FROM audit_everything ORDER BY xid DESC, id DESC LIMIT 1',
  });
  if (!newest) throw regionUnknown();
  return newest.region;
}

/** The organisation of an event; empty when there is no such event. */
async function organisationsOf(db: Database, eventId: string): Promise<readonly string[]> {
  const rows = await db.query<{ id: string }>({
    text: 'SELECT organisation_id AS id FROM audit_everything WHERE event_id = $1',
    values: [eventId],
  });
  return rows.map(({ id }) => id);
}

/** Never creates keys: a reader must not. */
async function publicKeyOf(folder: string | null, given?: string): Promise<string> {
  const file = given ?? path.join(folder!, 'public-key.pem');
  const pem = await readFile(file, 'utf8');
  try {
    createPublicKey(pem);
    return pem;
  } catch (cause) {
    throw new AdminError(
      'environment',
      {
        what: `${file} is not a public key`,
        why: (cause as Error).message,
        next: `head -1 ${file}, which begins with -----BEGIN PUBLIC KEY-----`,
      },
      { cause },
    );
  }
}

async function keysOf(folder: string | null): Promise<AuditKeys> {
  await publicKeyOf(folder);
  return await openAuditKeys(folder!);
}

/** Checks each archive first, because a broken file is not a finding about the log. */
async function filesByDigest(
  files: readonly string[],
  publicKeys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const file of files) {
    const { digest } = await withAdminErrors(`--archive ${file}`, () =>
      checkArchive(file, { publicKeys }),
    );
    found.set(digest, file);
  }
  return found;
}

async function withAdminErrors<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ArchiveRefused)
      throw new AdminError(
        'usage',
        { what: `${what} is refused`, why: error.message, next: 'platform audit archive --help' },
        { cause: error },
      );
    if (!(error instanceof ArchiveError)) throw error;
    const { code, path: file } = (error.cause ?? {}) as NodeJS.ErrnoException;
    // An unreadable file is an environment error, not a changed archive.
    throw /^E[A-Z]+$/.test(code ?? '')
      ? unreadableFile(file ?? what, error)
      : new AdminError(
          'finding',
          {
            what: `${what}: it is not what was archived`,
            why: error.message,
            next: 'use another copy of the file, and keep this one: it is evidence',
          },
          { cause: error },
        );
  }
}
