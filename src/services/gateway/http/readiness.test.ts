import type { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import type { Database } from '../../ports.ts';
import { createReadiness } from './readiness.ts';

function planted() {
  const state = { nowMs: 0, asked: 0, isUp: true, isDraining: false };
  const db: Database = {
    query: async () => {
      state.asked += 1;
      if (!state.isUp) throw new Error('down');
      return [];
    },
  };
  const readiness = createReadiness({
    db,
    redis: {} as Redis,
    needsRedis: false,
    isDraining: () => state.isDraining,
    monotonicMs: () => state.nowMs,
  });
  return { state, readiness };
}

it('readiness asks the stores once a second, however many ask', async () => {
  const { state, readiness } = planted();
  await Promise.all(Array.from({ length: 100 }, () => readiness.reasons()));
  state.nowMs = 999;
  expect(await readiness.reasons()).toEqual([]);
  expect(state.asked).toBe(1);
  state.nowMs = 1_000;
  state.isUp = false;
  expect(await readiness.reasons()).toEqual(['PostgreSQL does not answer']);
  expect(state.asked).toBe(2);
});

it('draining is seen at once', async () => {
  const { state, readiness } = planted();
  expect(await readiness.reasons()).toEqual([]);
  state.isDraining = true;
  expect(await readiness.reasons()).toEqual(['the process is stopping']);
});
