/**
 * Audit writer of turn 3's sample: events are pushed to a list in Redis, and nobody waits to hear that they arrived; a
 * loop in each process takes them off in batches and writes them. What the write refuses goes back to the list. Lost
 * is what Redis did not take or forgets with its memory, and what a process had taken off when it was killed.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Clock } from '../ports.ts';
import type { AuditEvent, AuditObserver, AuditWriter } from './contract.ts';
import type { AuditInsert } from './insert.ts';

const idleMs = 50;
const pauseMs = 250;
const closeWithinMs = 2_000;

export function createAuditQueue(given: {
  redis: Redis;
  keyPrefix: string;
  insert: AuditInsert;
  clock: Clock;
  maxBatch: number;
  observer: AuditObserver;
  report: (error: Error) => void;
}): AuditWriter {
  const { redis, insert, clock, maxBatch, observer } = given;
  const key = `${given.keyPrefix}audit:queue`;
  const pushes = new Set<Promise<unknown>>();
  let taken = 0;
  let closeAtUs = Number.POSITIVE_INFINITY;

  const write = async (texts: readonly string[]) => {
    const startedUs = clock.nowUs();
    taken = texts.length;
    try {
      await insert.many(texts.map((text) => JSON.parse(text) as AuditEvent));
      observer.flushed(texts.length, (clock.nowUs() - startedUs) / 1e6);
    } catch (error) {
      // Back to the end they were taken from, in their order.
      await redis.rpush(key, ...texts.toReversed());
      throw error;
    } finally {
      taken = 0;
    }
  };

  const work = async () => {
    while (clock.nowUs() < closeAtUs) {
      try {
        const texts = await redis.rpop(key, maxBatch);
        if (texts) await write(texts);
        else if (closeAtUs === Number.POSITIVE_INFINITY) await delay(idleMs);
        else return;
      } catch (error) {
        given.report(error as Error);
        await delay(pauseMs);
      }
    }
  };
  const working = work();

  return {
    async record(event) {
      // Fire and forget: whether Redis took it is nobody's business.
      const push: Promise<unknown> = redis
        .lpush(key, JSON.stringify(event))
        .catch(() => null)
        .finally(() => pushes.delete(push));
      pushes.add(push);
    },
    recordIn: async () => {},
    depth: () => pushes.size + taken,
    async close() {
      await Promise.allSettled(pushes);
      closeAtUs = clock.nowUs() + closeWithinMs * 1_000;
      await working;
    },
  };
}
