import { describe, expect, it } from 'vitest';
import type { OtherCpu } from '../measure/resources.ts';
import { scheduleDigest } from '../measure/schedule-digest.ts';
import { inFlightTotals } from './littles-law.ts';
import { validityChecks } from './validity.ts';

const checkOf = (otherCpu: OtherCpu | null) =>
  validityChecks(
    {
      lagLimitUs: 20_000,
      culprit: null,
      observed: {
        evidence: null,
        expected: 'pass',
        timedFromSend: false,
        totals: { ...inFlightTotals([]), planned: 0, scheduleDigest: scheduleDigest([]) },
        otherCpu,
      },
    },
    { judged: [], attempts: [], faults: [] },
  ).find(({ id }) => id === 'other-cpu');

describe('other-cpu', () => {
  it('warns when other processes, or other machines of the host, took part of the cores', () => {
    expect(checkOf({ usedCores: 0.9, stolenCores: 0, cores: 2 })).toMatchObject({
      measured: 'other processes used 0.9 of 2 cores',
      ok: false,
      severity: 'warn',
    });
    expect(checkOf({ usedCores: 0.1, stolenCores: 0.5, cores: 4 })).toMatchObject({
      measured: 'other processes used 0.1 of 4 cores, the hypervisor took 0.5',
      ok: false,
    });
  });

  it('allows an eighth of the cores, however many there are', () => {
    const okOn = (cores: number) => checkOf({ usedCores: 0.9, stolenCores: 0, cores })?.ok;
    expect([2, 4, 8, 64].map(okOn)).toEqual([false, false, true, true]);
  });

  it('is content with the housekeeping of a machine, and silent where nothing can be read', () => {
    expect(checkOf({ usedCores: 0.2, stolenCores: 0.01, cores: 2 })?.ok).toBe(true);
    expect(checkOf(null)).toBeUndefined();
  });
});
