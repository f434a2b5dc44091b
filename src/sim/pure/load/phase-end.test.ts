import { describe, expect, it } from 'vitest';
import { extensionNote, isOutsideBand, type PhaseProgress, unmetCondition } from './phase-end.ts';

const goal = { plannedMs: 10_000, samples: 299, cpuBand: { low: 87, high: 97 } };
const at = (fields: Partial<PhaseProgress>): PhaseProgress => ({
  elapsedMs: 10_000,
  samples: 299,
  cpuPercent: 92,
  ...fields,
});

describe('unmetCondition', () => {
  it('is over after the planned time when nothing is missing, and not before', () => {
    expect(unmetCondition(goal, at({ elapsedMs: 9_999, samples: 5_000 }))).toBe('time');
    expect(unmetCondition(goal, at({}))).toBeNull();
  });

  it('waits for samples, at most five times the planned time', () => {
    expect(unmetCondition(goal, at({ samples: 298 }))).toBe('samples');
    expect(unmetCondition(goal, at({ samples: 298, elapsedMs: 49_999 }))).toBe('samples');
    expect(unmetCondition(goal, at({ samples: 298, elapsedMs: 50_000 }))).toBeNull();
  });

  it('waits for the CPU, at most twice the planned time', () => {
    expect(unmetCondition(goal, at({ cpuPercent: 86 }))).toBe('cpu');
    expect(unmetCondition(goal, at({ cpuPercent: 98 }))).toBe('cpu');
    // So near the edge the phase's own reading may come out beyond it.
    expect(unmetCondition(goal, at({ cpuPercent: 87.2 }))).toBe('cpu');
    expect(unmetCondition(goal, at({ cpuPercent: 86, elapsedMs: 20_000 }))).toBeNull();
  });

  it('waits for no CPU where none is held or none can be read', () => {
    expect(unmetCondition({ ...goal, cpuBand: null }, at({ cpuPercent: 3 }))).toBeNull();
    expect(unmetCondition(goal, at({ cpuPercent: null }))).toBeNull();
  });
});

describe('extensionNote', () => {
  it('states the extension and what the phase still lacks', () => {
    expect(extensionNote(goal, at({ elapsedMs: 10_020 }))).toBe('');
    expect(extensionNote(goal, at({ elapsedMs: 13_100 }))).toBe('went on 3.1 s longer');
    expect(extensionNote(goal, at({ elapsedMs: 20_000, cpuPercent: 86 }))).toBe(
      'went on 10.0 s longer: still CPU not in the band',
    );
    expect(extensionNote(goal, at({ elapsedMs: 50_000, samples: 120 }))).toBe(
      'went on 40.0 s longer: still only 120 of 299 samples',
    );
  });
});

describe('isOutsideBand', () => {
  it('takes the edges as inside', () => {
    const off = [86.9, 87, 97, 97.1].map((percent) => isOutsideBand(goal.cpuBand, percent, 0));
    expect(off).toEqual([true, false, false, true]);
  });
});
