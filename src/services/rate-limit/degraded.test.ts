/** No simulation admits more than 1.1 times the limit in any window; with each planted defect one does. */
import { describe, expect, it } from 'vitest';
import { type MemberGrant, type MemberReport, type MemberRow, processReport } from './degraded.ts';
import {
  DEGRADED_SHARE,
  LIMIT,
  realSteps,
  type SimulatedSteps,
  simulate,
  WINDOW_MS,
  worstWindow,
} from './fixtures/degraded-simulation.ts';
import { createPermission } from './permission.ts';

const simulations = 80;
const bound = LIMIT * (1 + DEGRADED_SHARE);

/** The first simulation in which a window holds more than the bound; null when none does. */
function firstViolation(steps: SimulatedSteps): number | null {
  for (let seed = 1; seed <= simulations; seed += 1)
    if (worstWindow(simulate(seed, steps).admissionsMs) > bound) return seed;
  return null;
}

describe('limits without a reliable Redis', () => {
  it(`admit at most 1.1 times the limit in any window of ${simulations} simulations, and recover`, () => {
    const total = { store: 0, share: 0, expanded: 0 };
    for (let seed = 1; seed <= simulations; seed += 1) {
      const { admissionsMs, admittedBy, recovered } = simulate(seed, realSteps);
      expect(worstWindow(admissionsMs), `seed ${seed}`).toBeLessThanOrEqual(bound);
      expect(recovered, `seed ${seed}`).toBe(true);
      for (const mode of ['store', 'share', 'expanded'] as const) total[mode] += admittedBy[mode];
    }
    for (const count of Object.values(total)) expect(count).toBeGreaterThan(20 * simulations);
  });
});

/** Changes the grant that the table gives. */
const changingGrant = (
  change: (
    grant: MemberGrant,
    report: MemberReport,
    members: readonly MemberRow[],
  ) => Partial<MemberGrant>,
): SimulatedSteps => ({
  ...realSteps,
  processReport(members, me, report, nowMs, window) {
    const outcome = processReport(members, me, report, nowMs, window);
    return {
      ...outcome,
      grant: { ...outcome.grant, ...change(outcome.grant, report, members) },
    };
  },
});
/** Changes the table and the report before the step. */
const changingInput = (
  changeMembers: (members: readonly MemberRow[], nowMs: number) => MemberRow[],
  changeReport: (report: MemberReport) => MemberReport = (report) => report,
): SimulatedSteps => ({
  ...realSteps,
  processReport: (members, me, report, nowMs, window) =>
    processReport(changeMembers(members, nowMs), me, changeReport(report), nowMs, window),
});

const defects: Record<string, SimulatedSteps> = {
  'the whole degraded share in each process': {
    ...realSteps,
    limitFactor: ({ expanded, quotaShare }) => (expanded ? quotaShare : DEGRADED_SHARE),
  },
  'a Redis that lost its data is used at once': changingGrant((_, { runId }) => ({
    grantedRunId: runId,
  })),
  'expansion without regard to the others': changingGrant((grant, { runId, lastUseAgoMs }) => ({
    expanded: grant.expanded || (runId === null && (lastUseAgoMs ?? WINDOW_MS) >= WINDOW_MS),
  })),
  'back to Redis right after expansion': changingInput(
    (members) => members.map((row) => ({ ...row, expanded: false, lastExpandedMs: null })),
    (report) => ({ ...report, expanded: false, lastExpandedAgoMs: null }),
  ),
  'a new process takes an even share at once': changingGrant((_, __, members) => ({
    quotaShare: 1 / Math.max(1, members.filter(({ goneMs }) => goneMs === null).length),
  })),
  'an unconfirmed grant does not expire': {
    ...realSteps,
    createPermission(window) {
      const permission = createPermission(window);
      const foreverMs = 1e9;
      return { ...permission, applyGrant: (grant) => permission.applyGrant(grant, foreverMs) };
    },
  },
  'a process silent for five seconds counts as dead': changingInput((members, nowMs) =>
    members.filter(({ confirmedMs }) => confirmedMs + 5_000 > nowMs),
  ),
  'admissions of a dead process are forgotten': changingInput((members) =>
    members.filter(({ goneMs }) => goneMs === null),
  ),
  "other processes' use of the old Redis is ignored": changingInput((members) =>
    members.map((row) => ({ ...row, usesRedis: false, lastUseMs: null })),
  ),
};

describe.each(Object.entries(defects))('%s', (_, steps) => {
  it('breaks the bound in one of the same simulations', () => {
    expect(firstViolation(steps)).not.toBeNull();
  });
});
