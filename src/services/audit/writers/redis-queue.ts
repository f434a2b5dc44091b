/**
 * Audit writer of the design turn3.sample: events are pushed to a Redis list without waiting for the reply; a loop in
 * each process pops batches and inserts them. A batch that cannot be inserted is pushed back. Lost are events that
 * Redis did not receive or lost at a restart, and the batch that a process had popped when it was killed.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Clock } from '../../ports.ts';
import type { AuditEvent, AuditObserver, AuditWriter } from '../contract.ts';
import type { AuditInsert } from './insert.ts';

const POLL_INTERVAL_MS = 50;
const RETRY_DELAY_MS = 250;
const CLOSE_TIMEOUT_MS = 2_000;

export function createRedisQueue(options: {
  redis: Redis;
  keyPrefix: string;
  insert: AuditInsert;
  clock: Clock;
  maxBatch: number;
  observer: AuditObserver;
  report: (error: Error) => void;
}): AuditWriter {
  const { redis, insert, clock, maxBatch, observer } = options;
  const key = `${options.keyPrefix}audit:queue`;
  const pushes = new Set<Promise<unknown>>();
  let inFlight = 0;
  let closeDeadlineUs = Number.POSITIVE_INFINITY;

  const write = async (eventTexts: readonly string[]) => {
    const startedUs = clock.nowUs();
    inFlight = eventTexts.length;
    try {
      await insert.many(eventTexts.map((text) => JSON.parse(text) as AuditEvent));
      observer.onFlush(eventTexts.length, (clock.nowUs() - startedUs) / 1e6);
    } catch (error) {
      // Back to the end they were popped from, in the same order.
      await redis.rpush(key, ...eventTexts.toReversed());
      throw error;
    } finally {
      inFlight = 0;
    }
  };

  const consume = async () => {
    while (clock.nowUs() < closeDeadlineUs) {
      try {
        const eventTexts = await redis.rpop(key, maxBatch);
        if (eventTexts) await write(eventTexts);
        else if (closeDeadlineUs === Number.POSITIVE_INFINITY) await delay(POLL_INTERVAL_MS);
        else return;
      } catch (error) {
        options.report(error as Error);
        await delay(RETRY_DELAY_MS);
      }
    }
  };
  const consumer = consume();

  return {
    async record(event) {
      // Fire and forget: the reply of Redis is ignored.
      const push: Promise<unknown> = redis
        .lpush(key, JSON.stringify(event))
        .catch(() => null)
        .finally(() => pushes.delete(push));
      pushes.add(push);
    },
    recordIn: async () => {},
    depth: () => pushes.size + inFlight,
    async close() {
      await Promise.allSettled(pushes);
      closeDeadlineUs = clock.nowUs() + CLOSE_TIMEOUT_MS * 1_000;
      await consumer;
    },
  };
}
