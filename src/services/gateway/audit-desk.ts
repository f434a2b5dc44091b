/**
 * What an operator or an auditor does with the log, without a gateway: verify it, prove one event, export, move months
 * out and back, erase a person. One connection, as whoever the address names, and the state directory beside it.
 * Everything that changes something is itself on record, as done by the operator.
 */
import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ArchiveRefused, archivePartition, attachArchive } from '../audit/archive.ts';
import { ArchiveError, checkArchive } from '../audit/archive-file.ts';
import { type AuditKeys, openAuditKeys } from '../audit/audit-keys.ts';
import { exportCsv } from '../audit/chain/export-csv.ts';
import { exportNdjson } from '../audit/chain/export-ndjson.ts';
import { exportOcsf } from '../audit/chain/export-ocsf.ts';
import { checkProof } from '../audit/chain/proof.ts';
import type { Verification } from '../audit/chain/verification.ts';
import { verifyLog } from '../audit/chain/verify.ts';
import { openCheckpointFile } from '../audit/checkpoint-file.ts';
import { createEventProof, type EventProof } from '../audit/event-proof.ts';
import { type RetiredRow, readLog } from '../audit/log-source.ts';
import { readInstant } from '../audit/search-question.ts';
import { shardsOfLog } from '../audit/shard-count.ts';
import { auditRetentionDays } from '../lineage.ts';
import type { Database } from '../ports.ts';
import {
  belowRetention,
  cannotRead,
  DeskError,
  noRegion,
  noSuchEvent,
  notProven,
  notYet,
} from './audit-desk-error.ts';
import { eraseSubject } from './audit-erasure.ts';
import { openConnection } from './clients.ts';
import { systemClock, systemRandom } from './system.ts';

const exports = { ndjson: exportNdjson, csv: exportCsv, ocsf: exportOcsf };

export interface ExportAsked {
  readonly format: keyof typeof exports;
  /** One organisation; default: all. */
  readonly tenant?: string;
  /** As `readInstant` gives it; `to` is not included. */
  readonly from?: string;
  readonly to?: string;
}

export interface AuditDesk {
  verify(asked: {
    /** Of months that left the database. */
    archives: readonly string[];
    /** PEM; default: the one in the state directory. */
    publicKeyFile?: string;
    /** As in `archive`. */
    minRetentionDays?: number;
  }): Promise<Verification>;
  prove(eventId: string): Promise<EventProof>;
  exportLines(asked: ExportAsked): AsyncIterable<string>;
  /** `2026-08`, into a file in `directory`. With less than the design's retention nothing is looked at. */
  archive(
    month: string,
    asked: { directory: string; minRetentionDays?: number },
  ): Promise<RetiredRow>;
  attach(file: string): Promise<RetiredRow>;
  erase(userId: string): Promise<{ eventId: string }>;
  /** `2026-11-21`, or a whole time in UTC; null for what is neither. */
  readInstant(text: string): string | null;
  close(): Promise<void>;
}

export async function openAuditDesk(target: {
  databaseUrl: string;
  stateDirectory: string | null;
  /** Under which the operator's own acts go on record; default: that of the newest event. */
  region?: string;
}): Promise<AuditDesk> {
  const db = await openConnection(target.databaseUrl);
  try {
    await assertLog(db);
  } catch (error) {
    await db.close();
    throw error;
  }
  const folder = target.stateDirectory && path.join(target.stateDirectory, 'audit');
  const checkpointFile = folder && path.join(folder, 'checkpoints.ndjson');
  const operator = async () => ({
    ...{ clock: systemClock, random: systemRandom },
    region: target.region ?? (await regionOf(db)),
  });
  const log = (archiveFile: (retired: RetiredRow) => string | null = () => null) =>
    readLog(db, {
      checkpoints: checkpointFile ? openCheckpointFile(checkpointFile) : null,
      archiveFile,
    });

  return {
    async verify({ archives, publicKeyFile, minRetentionDays: days }) {
      const minRetentionDays = retentionOf(days);
      const publicKeys = [await publicKeyOf(folder, publicKeyFile)];
      const files = await filesByDigest(archives, publicKeys);
      const source = await log(({ digest }) => files.get(digest) ?? null);
      try {
        const shards = await shardsOfLog(db);
        return await verifyLog(source, { publicKeys, shards, minRetentionDays });
      } finally {
        await source.close();
      }
    },

    async prove(eventId) {
      const shards = await shardsOfLog(db, await organisationsOf(db, eventId));
      const prove = createEventProof({ db, checkpointFile: checkpointFile!, shards });
      const proof = await prove(null, eventId);
      if (proof === null) throw noSuchEvent(eventId);
      if (proof === 'not-sequenced') throw notYet(eventId);
      const { record, checkpoint } = proof.evidence;
      const publicKey = await publicKeyOf(folder);
      const check = checkProof(record, proof.document.proof, { checkpoint, publicKey });
      if (!check.proven) throw notProven(eventId, check.why);
      return proof;
    },

    async *exportLines({ format, tenant, from = null, to = null }) {
      const source = await log();
      try {
        const shards = await shardsOfLog(db, tenant === undefined ? undefined : [tenant]);
        yield* exports[format](source, { organisationId: tenant ?? null, from, to, shards });
      } finally {
        await source.close();
      }
    },

    async archive(month, { directory, minRetentionDays: days }) {
      const minRetentionDays = retentionOf(days);
      return refused(`audit archive ${month}`, async () =>
        archivePartition(db, {
          ...{ ...(await operator()), keys: await keysOf(folder) },
          ...{ month, directory, minRetentionDays, reason: 'retention' },
        }),
      );
    },

    attach(file) {
      return refused(`audit attach ${file}`, async () =>
        attachArchive(db, { ...(await operator()), file, publicKeys: [await publicKeyOf(folder)] }),
      );
    },

    erase: async (userId) => eraseSubject(db, userId, operator),
    readInstant,
    close: () => db.close(),
  };
}

async function assertLog(db: Database): Promise<void> {
  const [found] = await db.query<{ logs: boolean; blocks: boolean }>({
    text: `SELECT to_regclass('audit_logs') IS NOT NULL AS logs, to_regclass('audit_blocks') IS NOT NULL AS blocks`,
  });
  if (found!.logs && found!.blocks) return;
  throw new DeskError('environment', {
    what: 'this database has no audit log',
    why: 'there is no table audit_logs in its search path',
    next: 'platform audit verify --database <url>, as platform serve prints it',
  });
}

/** The design's, or more. */
function retentionOf(asked = auditRetentionDays): number {
  if (asked < auditRetentionDays) throw belowRetention(asked, auditRetentionDays);
  return asked;
}

async function regionOf(db: Database): Promise<string> {
  const [newest] = await db.query<{ region: string }>({
    text: 'SELECT region FROM audit_everything ORDER BY xid DESC, id DESC LIMIT 1',
  });
  if (!newest) throw noRegion();
  return newest.region;
}

/** The one an event is of; none for an event there is not. */
async function organisationsOf(db: Database, eventId: string): Promise<readonly string[]> {
  const rows = await db.query<{ id: string }>({
    text: 'SELECT organisation_id AS id FROM audit_everything WHERE event_id = $1',
    values: [eventId],
  });
  return rows.map(({ id }) => id);
}

/** Only one that is there: making keys is not for whoever looks. */
async function publicKeyOf(folder: string | null, given?: string): Promise<string> {
  const file = given ?? path.join(folder!, 'public-key.pem');
  const pem = await readFile(file, 'utf8');
  try {
    createPublicKey(pem);
    return pem;
  } catch (cause) {
    throw new DeskError(
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

/** Each archive is checked by itself first: a file that is not one is not a finding about the log. */
async function filesByDigest(
  files: readonly string[],
  publicKeys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const file of files) {
    const { digest } = await refused(`--archive ${file}`, () => checkArchive(file, { publicKeys }));
    found.set(digest, file);
  }
  return found;
}

async function refused<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ArchiveRefused)
      throw new DeskError(
        'usage',
        { what: `${what} is refused`, why: error.message, next: 'platform audit archive --help' },
        { cause: error },
      );
    if (!(error instanceof ArchiveError)) throw error;
    const { code, path: file } = (error.cause ?? {}) as NodeJS.ErrnoException;
    // A file that cannot be read is not a file that was changed.
    throw /^E[A-Z]+$/.test(code ?? '')
      ? cannotRead(file ?? what, error)
      : new DeskError(
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
