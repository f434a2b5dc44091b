import { describe, expect, it } from 'vitest';
import { parseMetrics } from './prometheus.ts';
import { metricIncreases, readMetrics } from './service-metrics.ts';

const snapshot = (startTime: number, fast: number, all: number) =>
  parseMetrics(
    `process_start_time_seconds ${startTime}
wait_seconds_bucket{le="0.01"} ${fast}
wait_seconds_bucket{le="+Inf"} ${all}
`,
  );
const request = { phase: 'calm', metrics: ['wait_seconds'] };
const from = new Map([['a', snapshot(1, 10, 12)]]);
const countsOf = (to: Parameters<typeof metricIncreases>[2]) =>
  metricIncreases(request, from, to)[0]!.counts;

describe('metricIncreases', () => {
  it('is the difference between the two readings of each process', () => {
    expect(metricIncreases(request, from, new Map([['a', snapshot(1, 15, 22)]]))).toEqual([
      {
        kind: 'metric',
        name: 'wait_seconds',
        phase: 'calm',
        process: 'a',
        counts: { '0.01': 5, Infinity: 10 },
      },
    ]);
  });

  it('has no counts for a process that was restarted, counts less, or does not answer', () => {
    expect(countsOf(new Map([['a', snapshot(2, 15, 22)]]))).toBeUndefined();
    expect(countsOf(new Map([['a', snapshot(1, 9, 22)]]))).toBeUndefined();
    expect(countsOf(new Map([['a', null]]))).toBeUndefined();
    expect(countsOf(new Map())).toBeUndefined();
  });

  it('has empty counts for a process without the histogram', () => {
    const other = { phase: 'calm', metrics: ['other_seconds'] };
    expect(metricIncreases(other, from, from)[0]!.counts).toEqual({});
  });
});

describe('readMetrics', () => {
  it('reads null from a process that does not answer', async () => {
    const read = await readMetrics([{ name: 'a', url: 'http://127.0.0.1:1' }]);
    expect([...read]).toEqual([['a', null]]);
  });
});
