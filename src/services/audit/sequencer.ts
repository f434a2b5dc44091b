/**
 * Puts committed records into the chain, behind the requests' backs: no request waits for it, and nothing it does
 * can fail one. Every gateway has one; the one whose connection holds an advisory lock works, the others ask for the
 * lock now and then. The lock only saves work: two that work at once are kept apart by the numbers of the blocks.
 *
 * Whatever goes wrong ends the connection, and with it the lock; then it waits, a little longer each time, and begins
 * again from what the database says. Closing makes one more look and a last checkpoint, within a limit.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditChainDesign } from '../design.ts';
import type { Clock, Database } from '../ports.ts';
import type { AuditKeys } from './audit-keys.ts';
import { type Heads, readHeads } from './block-store.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { type CheckpointWriter, createCheckpointWriter } from './checkpoint-writer.ts';
import type { AuditObserver } from './contract.ts';
import { look, prepareLooks, waitingSinceUs } from './look.ts';

export interface OwnConnection extends Database {
  close(): Promise<void>;
}

export interface Sequencer {
  start(): void;
  /** Whether it would chain, were it elected. */
  isRunning(): boolean;
  /** Resolves when it works no more; never later than `closeLimitMs`. */
  close(): Promise<void>;
}

/** What it does, wherever it runs. */
export type SequencerDesign = Omit<Extract<AuditChainDesign, { kind: 'sharded' }>, 'sequencer'>;

const electionMs = 250;
const backoffMs = { first: 100, most: 2_000 };
const stepLimitMs = 10_000;
const closeLimitMs = 2_000;
const closingMs = 1_000;
const maxIdleMs = 3_000;
const maxFenced = 10;

interface Given {
  /** A connection of the sequencer's own: the lock lives and dies with it. */
  readonly open: () => Promise<OwnConnection>;
  readonly design: SequencerDesign;
  readonly clock: Clock;
  readonly keys: AuditKeys;
  readonly checkpoints: CheckpointFile;
  readonly observer: Pick<AuditObserver, 'sequenced'>;
  readonly report: (error: Error) => void;
}

export function createSequencer(given: Given): Sequencer {
  const { design, report } = given;
  const stop = new AbortController();
  const writer = createCheckpointWriter({ keys: given.keys, file: given.checkpoints, report });
  // Down for a minute is one message, not thirty.
  let told = '';
  const tell = (error: Error) => {
    if (error.message !== told) report(error);
    told = error.message;
  };

  const run = async () => {
    let pauseMs = backoffMs.first;
    while (!stop.signal.aborted) {
      let connection: OwnConnection | null = null;
      try {
        connection = await openLimited(given.open);
        const db = limited(connection);
        if (await elected(db, stop.signal)) {
          await prepareLooks(db);
          const worked = () => {
            pauseMs = backoffMs.first;
          };
          await lead(db, { ...given, writer, worked, tell, stopped: stop.signal });
        }
      } catch (error) {
        tell(error as Error);
      } finally {
        await closeQuietly(connection);
      }
      await pause(pauseMs, stop.signal);
      pauseMs = Math.min(2 * pauseMs, backoffMs.most);
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
      await atMost(closeLimitMs, running);
    },
  };

  async function elected(db: Database, stopped: AbortSignal): Promise<boolean> {
    // A process that is stopped in its tracks keeps its connection; the lock must not stay with it.
    const idleMs = Math.max(maxIdleMs, 3 * design.everyMs);
    await db.query({
      text: `SELECT set_config('idle_session_timeout', $1, false)`,
      values: [`${idleMs}ms`],
    });
    while (!stopped.aborted) {
      const [row] = await db.query<{ mine: boolean }>({
        text: `SELECT pg_try_advisory_lock(hashtextextended('audit sequencer ' || current_schema(), 0)) AS mine`,
      });
      if (row!.mine) return true;
      await pause(Math.max(electionMs, design.everyMs), stopped);
    }
    return false;
  }
}

/** Works until it is stopped, or until something fails. */
async function lead(
  db: Database,
  given: Given & {
    writer: CheckpointWriter;
    worked: () => void;
    tell: (error: Error) => void;
    stopped: AbortSignal;
  },
): Promise<void> {
  const { design, clock, observer, writer, stopped } = given;
  let heads = await readHeads(db, design.shards);
  await writer.compare(db);
  let fenced = 0;
  let checkpointAtMs = Number.NEGATIVE_INFINITY;
  let saidAtMs = Number.NEGATIVE_INFINITY;
  for (;;) {
    // Asked before the look: what was committed before the stop is in it.
    const last = stopped.aborted;
    const seen = await look(db, { heads, size: design, nowUs: clock.nowUs() });
    if (seen.heads === null) {
      fenced += 1;
      if (fenced > maxFenced) throw new Error('another sequencer works on the same log');
      heads = await readHeads(db, design.shards);
      continue;
    }
    fenced = 0;
    heads = seen.heads;
    if (seen.records > 0) {
      observer.sequenced(seen.records, secondsSince(seen.oldestUs, clock));
    } else if (performance.now() - saidAtMs >= design.checkpointMs) {
      saidAtMs = performance.now();
      await tellWaiting(db, heads, given);
    }
    const full = seen.records === design.maxRecords;
    if (performance.now() - checkpointAtMs >= design.checkpointMs || (last && !full)) {
      checkpointAtMs = performance.now();
      // A full disk beside the database is no reason to leave the chain.
      await writer.write(heads, clock.nowUs()).catch(given.tell);
    }
    given.worked();
    if (last && !full) return;
    if (!full) await pause(design.everyMs, stopped);
  }
}

/** A transaction that runs long keeps everything after it out of the chain: the delay grows, and is told. */
async function tellWaiting(db: Database, heads: Heads, { observer, clock }: Given): Promise<void> {
  const sinceUs = await waitingSinceUs(db, heads);
  if (sinceUs !== null) observer.sequenced(0, secondsSince(sinceUs, clock));
}

const secondsSince = (us: number, clock: Clock) => Math.max(0, clock.nowUs() - us) / 1e6;

const pause = (ms: number, signal: AbortSignal) =>
  delay(ms, undefined, { signal, ref: false }).catch(() => {}); // Stopped: no pause.

/** The way to the database may swallow everything; then nothing but a limit of our own ends the wait. */
function limited(connection: OwnConnection): Database {
  return { query: (statement) => within(connection.query(statement), 'the statement') };
}

async function openLimited(open: Given['open']): Promise<OwnConnection> {
  const opening = open();
  try {
    return await within(opening, 'the connection');
  } catch (error) {
    // It may still come.
    opening.then(closeQuietly, () => {});
    throw error;
  }
}

async function within<Result>(work: Promise<Result>, what: string): Promise<Result> {
  const late = Symbol();
  const first = await atMost(stepLimitMs, work, late);
  if (first !== late) return first as Result;
  work.catch(() => {}); // Nobody waits for it any more.
  throw new Error(`${what} of the sequencer took longer than ${stepLimitMs} ms`);
}

async function closeQuietly(connection: OwnConnection | null): Promise<void> {
  // It is broken, or as good as.
  if (connection)
    await atMost(
      closingMs,
      connection.close().catch(() => {}),
    );
}

async function atMost<Late>(ms: number, work: Promise<unknown>, late?: Late): Promise<unknown> {
  const timer = new AbortController();
  const timeout = delay(ms, late, { signal: timer.signal });
  timeout.catch(() => {}); // Aborted below.
  try {
    return await Promise.race([work, timeout]);
  } finally {
    timer.abort();
  }
}
