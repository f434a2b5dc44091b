import { describe, expect, it } from 'vitest';
import { parseMetrics } from './prometheus.ts';
import { gainsBetween, readMetrics } from './service-metrics.ts';

const snapshot = (started: number, below: number, all: number) =>
  parseMetrics(
    `process_start_time_seconds ${started}
wait_seconds_bucket{le="0.01"} ${below}
wait_seconds_bucket{le="+Inf"} ${all}
`,
  );
const asked = { phase: 'calm', metrics: ['wait_seconds'] };
const from = new Map([['a', snapshot(1, 10, 12)]]);
const countsOf = (to: Parameters<typeof gainsBetween>[2]) =>
  gainsBetween(asked, from, to)[0]!.counts;

describe('gainsBetween', () => {
  it('is what each process counted meanwhile', () => {
    expect(gainsBetween(asked, from, new Map([['a', snapshot(1, 15, 22)]]))).toEqual([
      {
        ...{ kind: 'metric', name: 'wait_seconds', phase: 'calm', process: 'a' },
        counts: { '0.01': 5, Infinity: 10 },
      },
    ]);
  });

  it('has no counts of a process that was started again, counts less, or does not answer', () => {
    expect(countsOf(new Map([['a', snapshot(2, 15, 22)]]))).toBeUndefined();
    expect(countsOf(new Map([['a', snapshot(1, 9, 22)]]))).toBeUndefined();
    expect(countsOf(new Map([['a', null]]))).toBeUndefined();
    expect(countsOf(new Map())).toBeUndefined();
  });

  it('has empty counts of a process without the histogram', () => {
    const other = { phase: 'calm', metrics: ['other_seconds'] };
    expect(gainsBetween(other, from, from)[0]!.counts).toEqual({});
  });
});

describe('readMetrics', () => {
  it('does not fail with a process that is not there', async () => {
    const read = await readMetrics([{ name: 'a', url: 'http://127.0.0.1:1' }]);
    expect([...read]).toEqual([['a', null]]);
  });
});
