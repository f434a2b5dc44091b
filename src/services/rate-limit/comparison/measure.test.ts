/** services may not import the engine's checker of the same property; both must find the same. */
import { describe, expect, it } from 'vitest';
import { checkWindow } from '../../../checkers/limits/check-window.ts';
import { falseRefusals, type ObservedDecision, worstWindow } from './measure.ts';
import { seededRandom } from './seeded-random.ts';
import { makeTrace } from './trace.ts';

const [LIMIT, WINDOW_US] = [10, 1_000];

/** Random decisions, some in bursts, each in flight for a while. */
function randomDecisions(seed: number): ObservedDecision[] {
  const random = seededRandom(seed);
  return Array.from({ length: 400 }, (_, index) => {
    const sentUs = Math.floor(random() * 6_000);
    const doneUs = sentUs + Math.floor(random() * 300);
    return { subject: `u${index % 3}`, sentUs, doneUs, admitted: random() < 0.3 };
  });
}

const engine = (decided: readonly ObservedDecision[]) =>
  checkWindow({
    events: decided.map(({ subject, sentUs, doneUs, admitted }, index) => ({
      requestId: `r${index}`,
      subject,
      weight: 1,
      fromUs: sentUs,
      toUs: doneUs,
      kind: admitted ? ('admitted' as const) : ('refused' as const),
    })),
    limitOf: () => LIMIT,
    windowUs: WINDOW_US,
  });

describe('the measurement from the client', () => {
  it('agrees with the checker of the engine', () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const decided = randomDecisions(seed);
      const findings = engine(decided);
      expect(worstWindow(decided, WINDOW_US) / LIMIT).toBeCloseTo(findings.maxRatio, 10);
      expect(falseRefusals(decided, { limit: LIMIT, windowUs: WINDOW_US })).toBe(
        findings.falseRefusals,
      );
    }
  });

  it('counts only what is certain', () => {
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
