/**
 * Reads of session rows, shared and bounded. Whoever asks while statements are busy waits in line, once per
 * session, and the next statement reads the whole line. A statement answers only those who asked before it was
 * sent: a check that starts after a logout can never get a row read before it.
 */
import { ServiceError } from '../ports.ts';

const maxPerStatement = 500;

interface Waiting<Row> {
  readonly id: string;
  readonly answers: { resolve(row: Row | null): void; reject(error: unknown): void }[];
}

export interface Loads<Row> {
  /** Null when there is no such row. */
  load(id: string): Promise<Row | null>;
}

export function createLoads<Row>(given: {
  find: (ids: readonly string[]) => Promise<Map<string, Row>>;
  maxConcurrent: number;
  maxWaiting: number;
}): Loads<Row> {
  const { find, maxConcurrent, maxWaiting } = given;
  const line = new Map<string, Waiting<Row>>();
  let waiting = 0;
  let running = 0;
  let scheduled = false;

  const start = () => {
    scheduled = false;
    while (line.size > 0 && running < maxConcurrent) {
      const batch: Waiting<Row>[] = [];
      for (const one of line.values()) {
        batch.push(one);
        line.delete(one.id);
        waiting -= one.answers.length;
        if (batch.length === maxPerStatement) break;
      }
      running += 1;
      void read(batch).finally(() => {
        running -= 1;
        start();
      });
    }
  };

  const read = async (batch: readonly Waiting<Row>[]) => {
    try {
      const rows = await find(batch.map(({ id }) => id));
      for (const { id, answers } of batch)
        for (const { resolve } of answers) resolve(rows.get(id) ?? null);
    } catch (error) {
      for (const { answers } of batch) for (const { reject } of answers) reject(error);
    }
  };

  return {
    load(id) {
      if (waiting >= maxWaiting) return Promise.reject(busy());
      return new Promise((resolve, reject) => {
        const one = line.get(id) ?? { id, answers: [] };
        one.answers.push({ resolve, reject });
        line.set(id, one);
        waiting += 1;
        // Once per turn of the event loop, so that requests read in the same turn share a statement.
        if (scheduled) return;
        scheduled = true;
        setImmediate(start);
      });
    },
  };
}

const busy = () =>
  new ServiceError({
    status: 503,
    code: 'sessions-busy',
    detail: 'Too many sessions are being read at once. Try again shortly.',
    headers: { 'retry-after': '1' },
  });
