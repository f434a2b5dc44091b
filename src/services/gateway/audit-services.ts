/**
 * The audit service a design asks for, and what it keeps outside the database: keys, checkpoints, the local log of this
 * process.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';
import { type AuditKeys, openAuditKeys } from '../audit/audit-keys.ts';
import type { EraseSubject } from '../audit/audit-routes.ts';
import { openCheckpointFile } from '../audit/checkpoint-file.ts';
import type { AuditObserver, AuditWriter } from '../audit/contract.ts';
import { createGroupCommit } from '../audit/group-commit.ts';
import { type AuditInsert, createAuditInsert } from '../audit/insert.ts';
import { type LocalLog, openLocalLog } from '../audit/local-log.ts';
import { createMemoryBatch } from '../audit/memory-batch.ts';
import { createAuditQueue } from '../audit/queue.ts';
import { createSequencer, type Sequencer } from '../audit/sequencer.ts';
import { createSequencerProcess } from '../audit/sequencer-client.ts';
import { createSubjectKeys, type SubjectKeys } from '../audit/subject-keys.ts';
import type { AuditWriterDesign, Design } from '../design.ts';
import type { Clock, TransactionalDatabase } from '../ports.ts';
import { openConnection } from './clients.ts';

// Same depth from src/ and from dist/; a child process is always the compiled one.
const sequencerModule = fileURLToPath(
  new URL('../../../dist/services/gateway/sequencer-process.js', import.meta.url),
);

export interface AuditState {
  /** Where keys and checkpoints are. */
  readonly directory: string;
  readonly keys: AuditKeys;
  /** Null in designs that refuse instead. */
  readonly localLog: LocalLog | null;
}

/** Null in designs without an audit log. `name`: of this process among those that share the folder. */
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
  const own = { directory: path.join(stateDirectory, name), maxBytes, key: keys.wrappingKey };
  const localLog = maxBytes > 0 ? await openLocalLog(own) : null;
  return { directory, keys, localLog };
}

export interface AuditResources {
  readonly db: TransactionalDatabase;
  /** Connections that only the log uses: it does not wait behind requests, nor they behind it. */
  readonly auditDb: TransactionalDatabase;
  /** Of one more connection, which the sequencer has to itself. */
  readonly databaseUrl: string;
  readonly role: string | null;
  readonly redis: Redis;
  readonly keyPrefix: string;
  readonly clock: Clock;
  readonly auditState: AuditState | null;
}

export interface Audit {
  readonly writer: AuditWriter;
  readonly subjects: SubjectKeys;
  readonly erase: EraseSubject;
  /** Puts what is committed into the chain from now on. */
  start(): void;
  /** Whether a sequencer of this process runs, elected or not. */
  isSequencing(): boolean;
  /** Resolves when every event taken is settled; then with a last checkpoint. */
  close(): Promise<void>;
}

/** Null in designs without an audit log. */
export function createAudit(
  design: Design,
  given: AuditResources,
  observer: AuditObserver & { report(error: Error): void },
): Audit | null {
  const { writer } = design.audit;
  if (writer.kind === 'off') return null;
  if (!given.auditState) throw new Error(`${design.name} needs the state of its audit log`);
  const { keys, localLog } = given.auditState;
  const { db, auditDb, clock } = given;
  const subjects = createSubjectKeys({ db: auditDb, wrappingKey: keys.wrappingKey, clock });
  const insert = createAuditInsert({ db: auditDb, subjects });
  const events = createWriter(writer, { ...given, insert, localLog }, observer);
  const sequencer = createChain(design, { ...given, auditState: given.auditState }, observer);
  return {
    writer: events,
    subjects,
    start: () => sequencer?.start(),
    isSequencing: () => sequencer?.isRunning() ?? false,
    async close() {
      await events.close();
      await sequencer?.close();
    },
    erase: (userId, recordIn) =>
      db.transaction(async (tx) => {
        await subjects.erase(tx, userId);
        await recordIn(tx);
      }),
  };
}

function createChain(
  { audit: { chain } }: Design,
  given: AuditResources & { auditState: AuditState },
  observer: AuditObserver & { report(error: Error): void },
): Sequencer | null {
  if (chain.kind === 'none') return null;
  const { keys, directory } = given.auditState;
  const { databaseUrl, role } = given;
  const told = { observer, report: (error: Error) => observer.report(error) };
  if (chain.sequencer === 'process') {
    const start = { databaseUrl, role, directory, design: chain };
    return createSequencerProcess({ module: sequencerModule, start, ...told });
  }
  return createSequencer({
    open: () => openConnection(databaseUrl, role),
    design: chain,
    clock: given.clock,
    keys,
    checkpoints: openCheckpointFile(path.join(directory, 'checkpoints.ndjson')),
    ...told,
  });
}

function createWriter(
  design: Exclude<AuditWriterDesign, { kind: 'off' }>,
  given: AuditResources & { insert: AuditInsert; localLog: LocalLog | null },
  observer: AuditObserver & { report(error: Error): void },
): AuditWriter {
  const common = { ...given, observer, report: (error: Error) => observer.report(error) };
  switch (design.kind) {
    case 'memory-batch':
      return createMemoryBatch({ ...common, flushMs: design.flushMs });
    case 'queue':
      return createAuditQueue({ ...common, maxBatch: design.maxBatch });
    case 'group-commit':
      return createGroupCommit({ ...common, design });
    default:
      return design satisfies never;
  }
}
