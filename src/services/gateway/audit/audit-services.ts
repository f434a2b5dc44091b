/** Creates the audit service of a design, and opens its state outside the database: keys, checkpoints, the local log. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';
import { type AuditKeys, openAuditKeys } from '../../audit/audit-keys.ts';
import { openCheckpointFile } from '../../audit/checkpoint-file.ts';
import type { AuditObserver, AuditWriter } from '../../audit/contract.ts';
import { createSequencer, type Sequencer } from '../../audit/sequencer/sequencer.ts';
import { createSequencerProcess } from '../../audit/sequencer/sequencer-client.ts';
import { createSubjectKeys, type SubjectKeys } from '../../audit/subject-keys.ts';
import { createGroupCommit } from '../../audit/writers/group-commit.ts';
import { type AuditInsert, createAuditInsert } from '../../audit/writers/insert.ts';
import { type LocalLog, openLocalLog } from '../../audit/writers/local-log.ts';
import { createMemoryBatch } from '../../audit/writers/memory-batch.ts';
import { createRedisQueue } from '../../audit/writers/redis-queue.ts';
import type { AuditWriterDesign, Design } from '../../design.ts';
import type { Clock, TransactionalDatabase } from '../../ports.ts';
import { openConnection } from '../clients.ts';

// src/ and dist/ have the same depth; the child process always runs the compiled module.
const sequencerModule = fileURLToPath(
  new URL('../../../../dist/services/gateway/audit/sequencer-process.js', import.meta.url),
);

export interface AuditState {
  /** Of keys and checkpoints. */
  readonly directory: string;
  readonly keys: AuditKeys;
  /** Null in designs that reject events while PostgreSQL is unavailable. */
  readonly localLog: LocalLog | null;
}

/** Null in designs without an audit log. `name`: of this process, unique in the state directory. */
export async function openAuditState(given: {
  stateDirectory: string;
  name: string;
  design: Design;
}): Promise<AuditState | null> {
  const { stateDirectory, name } = given;
  const { writer } = given.design.audit;
  if (writer.kind === 'off') return null;
  if (stateDirectory === '')
    throw new Error('stateDirectory is empty, and the audit log keeps its keys there');
  const directory = path.join(stateDirectory, 'audit');
  const keys = await openAuditKeys(directory);
  const maxBytes = writer.kind === 'group-commit' ? writer.localLogBytes : 0;
  const options = { directory: path.join(stateDirectory, name), maxBytes, key: keys.wrappingKey };
  const localLog = maxBytes > 0 ? await openLocalLog(options) : null;
  return { directory, keys, localLog };
}

export interface AuditResources {
  readonly db: TransactionalDatabase;
  /** A pool of its own, so that events and requests do not wait for each other's connections. */
  readonly auditDb: TransactionalDatabase;
  /** For the dedicated connection of the sequencer, as its role. */
  readonly sequencerUrl: string;
  readonly redis: Redis;
  readonly keyPrefix: string;
  readonly clock: Clock;
  readonly auditState: AuditState | null;
}

export interface AuditService {
  readonly writer: AuditWriter;
  readonly subjects: SubjectKeys;
  /** Starts the sequencer. */
  start(): void;
  /** Whether a sequencer of this process runs, with or without the lock. */
  isSequencing(): boolean;
  /** Resolves when every accepted event is settled and the last checkpoint is written. */
  close(): Promise<void>;
}

/** Null in designs without an audit log. */
export function createAuditService(
  design: Design,
  given: AuditResources,
  observer: AuditObserver & { report(error: Error): void },
): AuditService | null {
  const { writer } = design.audit;
  if (writer.kind === 'off') return null;
  if (!given.auditState) throw new Error(`${design.name} needs the state of its audit log`);
  const { keys, localLog } = given.auditState;
  const { auditDb, clock } = given;
  const subjects = createSubjectKeys({ db: auditDb, wrappingKey: keys.wrappingKey, clock });
  const insert = createAuditInsert({ db: auditDb, subjects });
  const events = createDesignWriter(writer, { ...given, insert, localLog }, observer);
  const sequencer = createDesignSequencer(
    design,
    { ...given, auditState: given.auditState },
    observer,
  );
  return {
    writer: events,
    subjects,
    start: () => sequencer?.start(),
    isSequencing: () => sequencer?.isRunning() ?? false,
    async close() {
      await events.close();
      await sequencer?.close();
    },
  };
}

function createDesignSequencer(
  { audit: { chain } }: Design,
  given: AuditResources & { auditState: AuditState },
  observer: AuditObserver & { report(error: Error): void },
): Sequencer | null {
  if (chain.kind === 'none') return null;
  const { keys, directory } = given.auditState;
  const callbacks = { observer, report: (error: Error) => observer.report(error) };
  if (chain.sequencer === 'process') {
    const start = { databaseUrl: given.sequencerUrl, directory, design: chain };
    return createSequencerProcess({ module: sequencerModule, start, ...callbacks });
  }
  return createSequencer({
    open: () => openConnection(given.sequencerUrl),
    design: chain,
    clock: given.clock,
    keys,
    checkpoints: openCheckpointFile(path.join(directory, 'checkpoints.ndjson')),
    ...callbacks,
  });
}

function createDesignWriter(
  design: Exclude<AuditWriterDesign, { kind: 'off' }>,
  given: AuditResources & { insert: AuditInsert; localLog: LocalLog | null },
  observer: AuditObserver & { report(error: Error): void },
): AuditWriter {
  const common = { ...given, observer, report: (error: Error) => observer.report(error) };
  switch (design.kind) {
    case 'memory-batch':
      return createMemoryBatch({ ...common, flushMs: design.flushMs });
    case 'queue':
      return createRedisQueue({ ...common, maxBatch: design.maxBatch });
    case 'group-commit':
      return createGroupCommit({ ...common, design });
    default:
      return design satisfies never;
  }
}
