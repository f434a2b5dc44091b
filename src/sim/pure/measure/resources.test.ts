import { describe, expect, it } from 'vitest';
import {
  type CpuSample,
  cpuPercentBetween,
  otherCpuBetween,
  resourceTimeline,
} from './resources.ts';

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

describe('otherCpuBetween', () => {
  const machine = (busyUs: number, ownUs: number, stolenUs: number) => {
    const cores = 2;
    return { busyUs, ownUs, stolenUs, cores };
  };
  const at = (atUs: number, cpuUs: number, seen: CpuSample['machine']): CpuSample => ({
    ...sample(atUs, cpuUs),
    ...(seen && { machine: seen }),
  });

  it('is the CPU of the machine minus the groups and the sampling process', () => {
    const from = at(0, 0, machine(5e6, 1e6, 0));
    const to = at(2e6, 1.8e6, machine(8.9e6, 1.1e6, 0.2e6));
    expect(otherCpuBetween(from, to)).toEqual({
      usedCores: expect.closeTo(1, 5),
      stolenCores: expect.closeTo(0.1, 5),
      cores: 2,
    });
  });

  it('is not known where the machine cannot be read, and never below zero', () => {
    expect(otherCpuBetween(at(0, 0, undefined), at(1e6, 5e5, machine(1, 0, 0)))).toBeNull();
    const tick = otherCpuBetween(at(0, 0, machine(0, 0, 0)), at(1e6, 1e4, machine(0, 0, 0)));
    expect(tick?.usedCores).toBe(0);
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
