import { describe, expect, it } from 'vitest';
import { operation } from '../fixtures/records.ts';
import { errorTimeline, heatMap, heatMapEdgesUs, timeline } from './series.ts';

const SECOND = 1_000_000;
const at = (scheduledUs: number, responseUs: number, fields = {}) =>
  operation(scheduledUs, {
    scheduledUs,
    sentUs: scheduledUs,
    doneUs: scheduledUs + responseUs,
    ...fields,
  });

describe('timeline', () => {
  it('counts arrivals when they were due and answers when they came', () => {
    const points = timeline(
      [at(0, 1_500_000), at(900_000, 200_000)],
      { startUs: 0, endUs: 2 * SECOND },
      SECOND,
    );
    expect(points.map(({ offeredPerSecond }) => offeredPerSecond)).toEqual([2, 0]);
    expect(points.map(({ completedPerSecond }) => completedPerSecond)).toEqual([0, 2]);
    expect(points.map(({ inFlight }) => inFlight)).toEqual([2, 0]);
    expect(points[0]?.p50Us).toBeNull();
  });

  it('shows an operation that never left as an error of the age it had', () => {
    const never = at(0, 5_000, { sentUs: -1, outcome: 'fail', error: 'never sent' });
    const [point] = timeline([never], { startUs: 0, endUs: SECOND }, SECOND);
    expect(point).toMatchObject({ errors: 1, completedPerSecond: 0, p99Us: 5_000 });
    const [cause] = errorTimeline([never], { startUs: 0, endUs: SECOND }, SECOND);
    expect(cause).toEqual({ cause: 'never sent', counts: [1] });
  });
});

describe('heatMap', () => {
  it('holds every operation of its span exactly once', () => {
    const operations = Array.from({ length: 500 }, (_, id) => at(id * 2_000, 1 + id ** 3));
    const map = heatMap(operations, { startUs: 0, endUs: SECOND }, 60);
    const total = map.counts.flat().reduce((sum, count) => sum + count, 0);
    expect(total).toBe(500);
  });

  it('puts a latency into the row whose edges hold it', () => {
    const map = heatMap([at(0, 850_000)], { startUs: 0, endUs: SECOND }, 10);
    const row = map.counts.findIndex((counts) => counts[0] === 1);
    expect(heatMapEdgesUs[row]).toBeLessThanOrEqual(850_000);
    expect(heatMapEdgesUs[row + 1]).toBeGreaterThan(850_000);
  });
});
