/**
 * A limiter without its store still limits: admissions are bounded, decisions are quick, routes that guard credentials
 * refuse, and the store is used again soon after it is back, without a burst. Times are the client's, so a process with a
 * wrong clock does not hide a violation; windows count only what is certain.
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import type { CheckResult } from '../../sim/pure/judge/check-result.ts';
import { type FullestWindow, findFullestWindow } from './fullest-window.ts';

export interface DegradedDecision {
  readonly requestId: string;
  readonly subject: string;
  /** The process that decided. */
  readonly target: string;
  readonly sentUs: number;
  readonly doneUs: number;
  readonly weight: number;
  readonly admitted: boolean;
  /** Null when the answer had no evidence. */
  readonly mode: 'store' | 'share' | 'closed' | null;
  readonly tookUs: number | null;
  /** The route guards credentials, so it must not be admitted while degraded. */
  readonly credential: boolean;
}

export interface DegradedInput {
  readonly decisions: readonly DegradedDecision[];
  /** When the store was unreachable for some or all processes. */
  readonly outages: readonly { readonly startUs: number; readonly endUs: number }[];
  readonly targets: readonly string[];
  limitOf(subject: string): number;
  readonly windowUs: number;
  /** Most admitted in any window, in parts of the limit: 1.1. */
  readonly maxFactor: number;
  /** Of every decision but the first degraded one of a process. */
  readonly maxDecisionUs: number;
  /** From the end of the outage to the last degraded decision. */
  readonly maxRecoveryUs: number;
}

const WITNESS_LIMIT = 10;

export function checkDegraded(input: DegradedInput): CheckResult {
  const { decisions, outages } = input;
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  const addViolation = (violation: string, record: object, units = 1) => {
    violations += units;
    if (witness.length < WITNESS_LIMIT) witness.push({ violation, ...record });
  };
  const windows = fullestWindows(input);
  for (const { subject, found } of windows) {
    if (found.excess > 0)
      addViolation(
        'too much admitted',
        { subject, units: found.maxUnits, ...found.ends },
        found.excess,
      );
  }
  let slowestUs: number | null = null;
  let recoveryUs: number | null = null;
  for (const { target, during, after, firstUs, endUs } of outageDecisions(input)) {
    for (const decision of during.filter(({ sentUs }) => sentUs > firstUs)) {
      slowestUs = Math.max(slowestUs ?? 0, decision.tookUs ?? 0);
      if ((decision.tookUs ?? 0) > input.maxDecisionUs)
        addViolation('a slow decision', { decision });
      if (decision.credential && decision.admitted && decision.doneUs < endUs)
        addViolation('credentials were not closed', { decision });
    }
    for (const decision of after)
      if (decision.credential && decision.admitted && isDegraded(decision))
        addViolation('credentials were not closed', { decision });
    const degraded = after.filter(isDegraded);
    for (const { doneUs } of degraded) recoveryUs = Math.max(recoveryUs ?? 0, doneUs - endUs);
    const late = degraded.filter(({ sentUs }) => sentUs > endUs + input.maxRecoveryUs);
    if (late.length > 0)
      addViolation(
        'degraded long after the store was back',
        { target, decision: late[0] },
        late.length,
      );
  }
  const gap = coverageGap(input);
  const isUnknown = violations === 0 && gap !== null;
  return {
    verdict: violations > 0 ? 'fail' : isUnknown ? 'unknown' : 'pass',
    checked: outages.length === 0 ? 0 : decisions.length,
    violations,
    witness,
    ...(isUnknown ? { reason: gap } : {}),
    figures: [
      {
        id: 'degraded-worst',
        label: 'most admitted in one window around it',
        unit: 'times',
        value: windows.length === 0 ? null : Math.max(...windows.map(({ ratio }) => ratio)),
      },
      {
        id: 'degraded-slowest',
        label: 'slowest decision after the first',
        unit: 'us',
        value: slowestUs,
      },
      {
        id: 'degraded-back',
        label: 'degraded after the store was back',
        unit: 'us',
        value: recoveryUs,
      },
    ],
  };
}

/** From one window before the first outage on, because a window that begins there may reach into the outage. */
function fullestWindows({ decisions, outages, limitOf, windowUs, maxFactor }: DegradedInput) {
  const [first] = outages.map(({ startUs }) => startUs).sort((a, b) => a - b);
  if (first === undefined) return [];
  const taken = decisions
    .filter(({ admitted, doneUs }) => admitted && doneUs > first - windowUs)
    .map((decision) => ({ ...decision, fromUs: decision.sentUs, toUs: decision.doneUs }));
  return [...groupBy(taken, ({ subject }) => subject)].map(([subject, admissions]) => {
    const limit = limitOf(subject);
    // Units are whole; 1.1 times 100 is a little more than 110.
    const allowed = Math.floor(maxFactor * limit + 1e-9);
    const found: FullestWindow<(typeof admissions)[number]> = findFullestWindow(admissions, {
      limit: allowed,
      windowUs,
    });
    return { subject, found, ratio: found.maxUnits / limit };
  });
}

const isDegraded = ({ mode }: DegradedDecision) => mode === 'share' || mode === 'closed';

/** For each process and outage: its decisions during the outage, and from its end to the next outage. */
function* outageDecisions({ decisions, outages, targets }: DegradedInput) {
  const byTarget = groupBy(decisions, ({ target }) => target);
  for (const [index, { startUs, endUs }] of outages.entries()) {
    const nextUs = outages[index + 1]?.startUs ?? Number.POSITIVE_INFINITY;
    for (const target of targets) {
      const ofTarget = byTarget.get(target) ?? [];
      const during = ofTarget.filter(({ sentUs }) => sentUs >= startUs && sentUs < endUs);
      const after = ofTarget.filter(({ sentUs }) => sentUs >= endUs && sentUs < nextUs);
      let firstUs = Number.POSITIVE_INFINITY;
      for (const decision of during)
        if (isDegraded(decision)) firstUs = Math.min(firstUs, decision.doneUs);
      yield { target, during, after, firstUs, endUs };
    }
  }
}

function coverageGap(input: DegradedInput): string | null {
  if (input.outages.length === 0) return 'the store was never away';
  for (const { target, during, after } of outageDecisions(input)) {
    if (!during.some(isDegraded)) return `no degraded decision on ${target}`;
    if (!after.some(({ mode }) => mode === 'store'))
      return `no decision by the store on ${target} afterwards`;
  }
  return input.decisions.some(({ credential }) => credential) ? null : 'no credentials were tried';
}
