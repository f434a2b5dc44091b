/**
 * Chains committed records in the background: no request waits for it or fails because of it. Every gateway has one;
 * the one whose connection holds the advisory lock works, the others poll for the lock. The lock only saves work: if
 * two work at once, the primary key of the blocks lets one of them win.
 *
 * Any failure closes the connection and releases the lock; after a backoff the sequencer starts again from the state
 * of the database. Closing sequences one more batch and writes a last checkpoint, within `closeTimeoutMs`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditChainDesign } from '../../design.ts';
import type { Clock, Database } from '../../ports.ts';
import { settlesWithin, withTimeout } from '../../with-timeout.ts';
import type { AuditKeys } from '../audit-keys.ts';
import { type Heads, readHeads } from '../block-store.ts';
import type { CheckpointFile } from '../checkpoint-file.ts';
import type { AuditObserver } from '../contract.ts';
import { type CheckpointWriter, createCheckpointWriter } from './checkpoint-writer.ts';
import { forceIndexScans, oldestUnsequencedUs, sequenceBatch } from './sequence-batch.ts';

export interface DedicatedConnection extends Database {
  close(): Promise<void>;
}

export interface Sequencer {
  start(): void;
  /** True while it holds the lock or polls for it. */
  isRunning(): boolean;
  /** Resolves when it has stopped, at the latest after `closeTimeoutMs`. */
  close(): Promise<void>;
}

/** The part of the design that does not depend on where the sequencer runs. */
export type SequencerDesign = Omit<Extract<AuditChainDesign, { kind: 'sharded' }>, 'sequencer'>;

const LOCK_RETRY_MS = 250;
const backoffMs = { min: 100, max: 2_000 };
const STEP_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 2_000;
const CONNECTION_CLOSE_TIMEOUT_MS = 1_000;
const MAX_IDLE_MS = 3_000;
const MAX_CONFLICTS = 10;

interface SequencerOptions {
  /** A dedicated connection: closing it releases the lock. */
  readonly open: () => Promise<DedicatedConnection>;
  readonly design: SequencerDesign;
  readonly clock: Clock;
  readonly keys: AuditKeys;
  readonly checkpoints: CheckpointFile;
  readonly observer: Pick<AuditObserver, 'onSequenced'>;
  readonly report: (error: Error) => void;
}

export function createSequencer(options: SequencerOptions): Sequencer {
  const { design, report } = options;
  const stop = new AbortController();
  const writer = createCheckpointWriter({ keys: options.keys, file: options.checkpoints, report });
  // A database that is down for a minute is one message, not thirty.
  let lastReported = '';
  const reportOnce = (error: Error) => {
    if (error.message !== lastReported) report(error);
    lastReported = error.message;
  };

  const run = async () => {
    let retryDelayMs = backoffMs.min;
    while (!stop.signal.aborted) {
      let connection: DedicatedConnection | null = null;
      try {
        connection = await openWithTimeout(options.open);
        const db = withStatementTimeout(connection);
        if (await acquireLock(db, design, stop.signal)) {
          await forceIndexScans(db);
          const onProgress = () => {
            retryDelayMs = backoffMs.min;
          };
          const stopSignal = stop.signal;
          await sequenceUntilStopped(db, {
            ...options,
            writer,
            onProgress,
            reportOnce,
            stopSignal,
          });
        }
      } catch (error) {
        reportOnce(error as Error);
      } finally {
        await closeQuietly(connection);
      }
      await pause(retryDelayMs, stop.signal);
      retryDelayMs = Math.min(2 * retryDelayMs, backoffMs.max);
    }
  };

  let running: Promise<void> = Promise.resolve();
  return {
    start() {
      running = run();
    },
    isRunning: () => !stop.signal.aborted,
    async close() {
      stop.abort();
      await settlesWithin(running, CLOSE_TIMEOUT_MS);
    },
  };
}

/** Resolves to false when it was stopped first. */
async function acquireLock(
  db: Database,
  { everyMs }: SequencerDesign,
  stopSignal: AbortSignal,
): Promise<boolean> {
  // A process stopped by SIGSTOP keeps its connection; the timeout releases its lock.
  const idleMs = Math.max(MAX_IDLE_MS, 3 * everyMs);
  await db.query({
    text: `SELECT set_config('idle_session_timeout', $1, false)`,
    values: [`${idleMs}ms`],
  });
  while (!stopSignal.aborted) {
    const [row] = await db.query<{ locked: boolean }>({
      text: `SELECT pg_try_advisory_lock(hashtextextended('audit sequencer ' || current_schema(), 0)) AS locked`,
    });
    if (row!.locked) return true;
    await pause(Math.max(LOCK_RETRY_MS, everyMs), stopSignal);
  }
  return false;
}

/** Resolves after a stop; rejects on the first failure. */
async function sequenceUntilStopped(
  db: Database,
  options: SequencerOptions & {
    writer: CheckpointWriter;
    onProgress: () => void;
    reportOnce: (error: Error) => void;
    stopSignal: AbortSignal;
  },
): Promise<void> {
  const { design, clock, observer, writer, stopSignal } = options;
  let heads = await readHeads(db, design.shards);
  await writer.verifyNewest(db);
  let conflicts = 0;
  let checkpointAtMs = Number.NEGATIVE_INFINITY;
  let waitReportedAtMs = Number.NEGATIVE_INFINITY;
  for (;;) {
    // Read before the batch, so that the last batch has everything committed before the stop.
    const isLast = stopSignal.aborted;
    const batch = await sequenceBatch(db, { heads, options: design, nowUs: clock.nowUs() });
    if (batch.heads === null) {
      conflicts += 1;
      if (conflicts > MAX_CONFLICTS) throw new Error('another sequencer works on the same log');
      heads = await readHeads(db, design.shards);
      continue;
    }
    conflicts = 0;
    heads = batch.heads;
    if (batch.records > 0) {
      observer.onSequenced(batch.records, secondsSince(batch.oldestUs, clock));
    } else if (performance.now() - waitReportedAtMs >= design.checkpointMs) {
      waitReportedAtMs = performance.now();
      await reportWait(db, heads, options);
    }
    const isFull = batch.records === design.maxRecords;
    if (performance.now() - checkpointAtMs >= design.checkpointMs || (isLast && !isFull)) {
      checkpointAtMs = performance.now();
      // A checkpoint that fails, on a full disk for example, does not stop the chain.
      await writer.write(heads, clock.nowUs()).catch(options.reportOnce);
    }
    options.onProgress();
    if (isLast && !isFull) return;
    if (!isFull) await pause(design.everyMs, stopSignal);
  }
}

/** A long transaction keeps all later records out of the chain; the observer sees the delay grow. */
async function reportWait(
  db: Database,
  heads: Heads,
  { observer, clock }: SequencerOptions,
): Promise<void> {
  const sinceUs = await oldestUnsequencedUs(db, heads);
  if (sinceUs !== null) observer.onSequenced(0, secondsSince(sinceUs, clock));
}

const secondsSince = (us: number, clock: Clock) => Math.max(0, clock.nowUs() - us) / 1e6;

const pause = (ms: number, signal: AbortSignal) =>
  delay(ms, undefined, { signal, ref: false }).catch(() => {}); // Stopped: no pause.

/** A network that drops every packet produces no error, so each statement has a timeout of its own. */
function withStatementTimeout(connection: DedicatedConnection): Database {
  return {
    query: (statement) =>
      withTimeout(connection.query(statement), STEP_TIMEOUT_MS, tooSlow('the statement')),
  };
}

async function openWithTimeout(open: SequencerOptions['open']): Promise<DedicatedConnection> {
  const opening = open();
  try {
    return await withTimeout(opening, STEP_TIMEOUT_MS, tooSlow('the connection'));
  } catch (error) {
    // The connection may still open later: close it then.
    opening.then(closeQuietly, () => {});
    throw error;
  }
}

const tooSlow = (what: string) => `${what} of the sequencer took longer than ${STEP_TIMEOUT_MS} ms`;

async function closeQuietly(connection: DedicatedConnection | null): Promise<void> {
  // Its errors do not matter: the connection is not used again.
  if (connection)
    await settlesWithin(
      connection.close().catch(() => {}),
      CONNECTION_CLOSE_TIMEOUT_MS,
    );
}
