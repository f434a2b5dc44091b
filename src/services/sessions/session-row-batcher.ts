/**
 * Reads session rows in batches, with bounded concurrency. While all statements are busy, reads queue, once per
 * session, and the next statement takes the whole queue. A statement answers only reads queued before it was sent: a
 * check that starts after a logout can never get a row read before it.
 */
import { ServiceError } from '../ports.ts';

const MAX_PER_STATEMENT = 500;

interface QueuedRead<Row> {
  readonly id: string;
  readonly callers: { resolve(row: Row | null): void; reject(error: unknown): void }[];
}

export interface SessionRowBatcher<Row> {
  /** Null when there is no such row. */
  read(id: string): Promise<Row | null>;
}

export function createSessionRowBatcher<Row>(given: {
  find: (ids: readonly string[]) => Promise<Map<string, Row>>;
  maxConcurrent: number;
  maxWaiting: number;
}): SessionRowBatcher<Row> {
  const { find, maxConcurrent, maxWaiting } = given;
  const queue = new Map<string, QueuedRead<Row>>();
  let waitingCount = 0;
  let runningCount = 0;
  let isScheduled = false;

  const sendBatches = () => {
    isScheduled = false;
    while (queue.size > 0 && runningCount < maxConcurrent) {
      const batch: QueuedRead<Row>[] = [];
      for (const one of queue.values()) {
        batch.push(one);
        queue.delete(one.id);
        waitingCount -= one.callers.length;
        if (batch.length === MAX_PER_STATEMENT) break;
      }
      runningCount += 1;
      void readBatch(batch).finally(() => {
        runningCount -= 1;
        sendBatches();
      });
    }
  };

  const readBatch = async (batch: readonly QueuedRead<Row>[]) => {
    try {
      const rows = await find(batch.map(({ id }) => id));
      for (const { id, callers } of batch)
        for (const { resolve } of callers) resolve(rows.get(id) ?? null);
    } catch (error) {
      for (const { callers } of batch) for (const { reject } of callers) reject(error);
    }
  };

  return {
    read(id) {
      if (waitingCount >= maxWaiting) return Promise.reject(busyError());
      return new Promise((resolve, reject) => {
        const one = queue.get(id) ?? { id, callers: [] };
        one.callers.push({ resolve, reject });
        queue.set(id, one);
        waitingCount += 1;
        // Once per turn of the event loop, so that requests of the same turn share a statement.
        if (isScheduled) return;
        isScheduled = true;
        setImmediate(sendBatches);
      });
    },
  };
}

const busyError = () =>
  new ServiceError({
    status: 503,
    code: 'sessions-busy',
    detail: 'Too many sessions are being read at once. Try again shortly.',
    headers: { 'retry-after': '1' },
  });
