/** No world admits more than 1.1 times the limit in any window; every defect finds one that does. */
import { describe, expect, it } from 'vitest';
import { type MemberRow, type Report, settle } from './degraded.ts';
import {
  limit,
  play,
  realSteps,
  type Steps,
  share,
  windowMs,
  worstWindow,
} from './fixtures/degraded-world.ts';
import { createStanding } from './standing.ts';

const worlds = 80;
const bound = limit * (1 + share);

/** The first world in which a window holds more than it may. */
function broken(steps: Steps): number | null {
  for (let seed = 1; seed <= worlds; seed += 1)
    if (worstWindow(play(seed, steps).admissionsMs) > bound) return seed;
  return null;
}

describe('limits without a reliable Redis', () => {
  it(`admit at most 1.1 times the limit in any window of ${worlds} worlds, and recover`, () => {
    const total = { store: 0, share: 0, grown: 0 };
    for (let seed = 1; seed <= worlds; seed += 1) {
      const { admissionsMs, by, recovered } = play(seed, realSteps);
      expect(worstWindow(admissionsMs), `world ${seed}`).toBeLessThanOrEqual(bound);
      expect(recovered, `world ${seed}`).toBe(true);
      for (const mode of ['store', 'share', 'grown'] as const) total[mode] += by[mode];
    }
    for (const count of Object.values(total)) expect(count).toBeGreaterThan(20 * worlds);
  });
});

type Verdicts = ReturnType<typeof settle>['verdict'];
/** A step that believes something else than the table says. */
const believing = (
  change: (verdict: Verdicts, report: Report, members: readonly MemberRow[]) => Partial<Verdicts>,
): Steps => ({
  ...realSteps,
  settle(members, me, report, nowMs, window) {
    const settled = settle(members, me, report, nowMs, window);
    return {
      ...settled,
      verdict: { ...settled.verdict, ...change(settled.verdict, report, members) },
    };
  },
});
const seeing = (
  see: (members: readonly MemberRow[], nowMs: number) => MemberRow[],
  say: (report: Report) => Report = (report) => report,
): Steps => ({
  ...realSteps,
  settle: (members, me, report, nowMs, window) =>
    settle(see(members, nowMs), me, say(report), nowMs, window),
});

const defects: Record<string, Steps> = {
  'the whole share in each process': {
    ...realSteps,
    factor: ({ grown, part }) => (grown ? part : share),
  },
  'a Redis that has forgotten is used at once': believing((_, { runId }) => ({ mayAsk: runId })),
  'growth without knowing the others': believing((verdict, { runId, lastUseAgoMs }) => ({
    grown: verdict.grown || (runId === null && (lastUseAgoMs ?? windowMs) >= windowMs),
  })),
  'back to Redis right after growth': seeing(
    (members) => members.map((row) => ({ ...row, grown: false, lastGrownMs: null })),
    (report) => ({ ...report, grown: false, lastGrownAgoMs: null }),
  ),
  'a new process takes an even part at once': believing((_, __, members) => ({
    part: 1 / Math.max(1, members.filter(({ goneMs }) => goneMs === null).length),
  })),
  'goes on as confirmed although nobody confirms it': {
    ...realSteps,
    stand(window) {
      const standing = createStanding(window);
      const forever = 1e9;
      return { ...standing, settled: (verdict) => standing.settled(verdict, forever) };
    },
  },
  'silent for five seconds is dead': seeing((members, nowMs) =>
    members.filter(({ confirmedMs }) => confirmedMs + 5_000 > nowMs),
  ),
  'what a dead process admitted is forgotten': seeing((members) =>
    members.filter(({ goneMs }) => goneMs === null),
  ),
  "only one's own use of the old Redis is waited for": seeing((members) =>
    members.map((row) => ({ ...row, asks: false, lastUseMs: null })),
  ),
};

describe.each(Object.entries(defects))('%s', (_, steps) => {
  it('breaks the bound in one of the same worlds', () => {
    expect(broken(steps)).not.toBeNull();
  });
});
