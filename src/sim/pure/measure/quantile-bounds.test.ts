import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { QUANTILE, quantileBounds } from './quantile-bounds.ts';

describe('quantileBounds', () => {
  it('contains the quantile of the distribution in about 95 of 100 samples of it', () => {
    const random = createRandom(7);
    const RUNS = 1_000;
    const inside = { p50: 0, p95: 0, p99: 0, p999: 0 };
    for (let run = 0; run < RUNS; run += 1) {
      const bounds = quantileBounds(Array.from({ length: 3_000 }, () => random.next()))!;
      for (const [name, quantile] of Object.entries(QUANTILE) as [keyof typeof QUANTILE, number][])
        if (bounds[name][0] <= quantile && quantile <= bounds[name][1]) inside[name] += 1;
    }
    for (const name of ['p50', 'p95', 'p99'] as const) {
      expect(inside[name], name).toBeGreaterThan(0.93 * RUNS);
      expect(inside[name], name).toBeLessThan(0.99 * RUNS);
    }
    expect(inside.p999).toBeGreaterThan(0.9 * RUNS);
  });

  it('has values that were recorded, in order, however few there are', () => {
    expect(quantileBounds([])).toBeUndefined();
    expect(quantileBounds([5])!.p99).toEqual([5, 5]);
    const [lower, upper] = quantileBounds(Array.from({ length: 525 }, (_, at) => 525 - at))!.p99;
    expect([lower, upper]).toEqual([515, 525]);
  });
});
