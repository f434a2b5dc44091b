/** The engine has a checker for the same, which services may not know: both must say the same. */
import { describe, expect, it } from 'vitest';
import { checkWindow } from '../../../checkers/limits/check-window.ts';
import { type Decided, falseRefusals, worstWindow } from './measure.ts';
import { seededRandom } from './seeded-random.ts';
import { makeTrace } from './trace.ts';

const [LIMIT, WINDOW_US] = [10, 1_000];

/** Decisions of nobody in particular, some in bursts, each on its way for a while. */
function noise(seed: number): Decided[] {
  const random = seededRandom(seed);
  return Array.from({ length: 400 }, (_, index) => {
    const sentUs = Math.floor(random() * 6_000);
    const doneUs = sentUs + Math.floor(random() * 300);
    return { subject: `u${index % 3}`, sentUs, doneUs, admitted: random() < 0.3 };
  });
}

const engine = (decided: readonly Decided[]) =>
  checkWindow({
    events: decided.map(({ subject, sentUs, doneUs, admitted }, index) => ({
      ...{ requestId: `r${index}`, subject, weight: 1, fromUs: sentUs, toUs: doneUs },
      kind: admitted ? ('admitted' as const) : ('refused' as const),
    })),
    ...{ limitOf: () => LIMIT, windowUs: WINDOW_US },
  });

describe('the measure from outside', () => {
  it('agrees with the checker of the engine', () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const decided = noise(seed);
      const findings = engine(decided);
      expect(worstWindow(decided, WINDOW_US) / LIMIT).toBeCloseTo(findings.worstRatio, 10);
      expect(falseRefusals(decided, { limit: LIMIT, windowUs: WINDOW_US })).toBe(
        findings.falseRefusals,
      );
    }
  });

  it('counts nothing of which it is not sure', () => {
    const across = { subject: 'u', sentUs: 0, doneUs: 2_000, admitted: true };
    expect(worstWindow([across], WINDOW_US)).toBe(0);
    expect(worstWindow([{ ...across, doneUs: 900 }], WINDOW_US)).toBe(1);
  });
});

describe('the trace', () => {
  const given = { limit: 20, windowMs: 1_000, windows: 3 };

  it('is the same for the same seed, in order, and another for another', () => {
    const of = (seed: number) => makeTrace({ ...given, random: seededRandom(seed) });
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
    expect(of(1)).toEqual(of(1).toSorted((a, b) => a.atMs - b.atMs));
  });
});
