/**
 * The audit service a design asks for, and what it keeps outside the database: keys, checkpoints, the local log of this
 * process.
 */
import path from 'node:path';
import type { Redis } from 'ioredis';
import { type AuditKeys, openAuditKeys } from '../audit/audit-keys.ts';
import type { EraseSubject } from '../audit/audit-routes.ts';
import type { AuditObserver, AuditWriter } from '../audit/contract.ts';
import { createGroupCommit } from '../audit/group-commit.ts';
import { type AuditInsert, createAuditInsert } from '../audit/insert.ts';
import { type LocalLog, openLocalLog } from '../audit/local-log.ts';
import { createMemoryBatch } from '../audit/memory-batch.ts';
import { createAuditQueue } from '../audit/queue.ts';
import { createSubjectKeys, type SubjectKeys } from '../audit/subject-keys.ts';
import type { AuditWriterDesign, Design } from '../design.ts';
import type { Clock, TransactionalDatabase } from '../ports.ts';

export interface AuditState {
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
  const keys = await openAuditKeys(path.join(stateDirectory, 'audit'));
  const maxBytes = writer.kind === 'group-commit' ? writer.localLogBytes : 0;
  const directory = path.join(stateDirectory, name);
  const localLog =
    maxBytes > 0 ? await openLocalLog({ directory, maxBytes, key: keys.wrappingKey }) : null;
  return { keys, localLog };
}

export interface AuditResources {
  readonly db: TransactionalDatabase;
  /** Connections that only the log uses: it does not wait behind requests, nor they behind it. */
  readonly auditDb: TransactionalDatabase;
  readonly redis: Redis;
  readonly keyPrefix: string;
  readonly clock: Clock;
  readonly auditState: AuditState | null;
}

export interface Audit {
  readonly writer: AuditWriter;
  readonly subjects: SubjectKeys;
  readonly erase: EraseSubject;
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
  return {
    writer: createWriter(writer, { ...given, insert, localLog }, observer),
    subjects,
    erase: (userId, recordIn) =>
      db.transaction(async (tx) => {
        await subjects.erase(tx, userId);
        await recordIn(tx);
      }),
  };
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
