import { describe, expect, it } from 'vitest';
import { type CpuSample, cpuPercentBetween, resourceTimeline } from './resources.ts';

const sample = (atUs: number, cpuUs: number): CpuSample => ({
  atUs,
  groups: { postgres: { cpuUs, rssBytes: 1 } },
});

describe('cpuPercentBetween', () => {
  it('is CPU time over wall time, percent of one core', () => {
    expect(cpuPercentBetween(sample(0, 0), sample(2_000_000, 1_840_000), 'postgres')).toBe(92);
    expect(cpuPercentBetween(sample(0, 0), sample(2_000_000, 1), 'redis')).toBeNull();
    expect(cpuPercentBetween(sample(5, 0), sample(5, 1), 'postgres')).toBeNull();
  });
});

describe('resourceTimeline', () => {
  it('gives one value a second from samples twice as dense', () => {
    const samples = [0, 0.5, 1, 1.5, 2].map((s) => sample(s * 1e6, s * 5e5));
    const { processes } = resourceTimeline(samples, { startUs: 0, endUs: 2_000_000 });
    expect(processes.postgres).toEqual([50, 50]);
  });

  it('leaves a gap where no sample fell', () => {
    const samples = [sample(0, 0), sample(3_000_000, 3e6)];
    const { processes } = resourceTimeline(samples, { startUs: 0, endUs: 3_000_000 });
    expect(processes.postgres).toEqual([null, null, 100]);
  });
});
