/**
 * Preconditions of a valid measurement, computed from the history and the instruments. A failed check of severity
 * `unknown` makes the arm's verdict unknown.
 */
import type { OperationRecord } from '../../history.ts';
import type { FaultSummary, ValidityCheck, Verdict } from '../../result.ts';
import { CONTRADICTED, WITHOUT_EVENT } from '../faults/fault-summary.ts';
import { summarize } from '../measure/histogram.ts';
import { brokenRetrySequences } from '../measure/logical-operations.ts';
import { classify } from '../measure/outcome.ts';
import type { OtherCpu } from '../measure/resources.ts';
import { scheduleDigest } from '../measure/schedule-digest.ts';
import type { ArmInput } from './arm-input.ts';
import { sendLagsUs } from './capacity.ts';
import { culpritCalls } from './diagnose.ts';
import { littlesLaw } from './littles-law.ts';
import { checkMachineLimits } from './machine-limits.ts';
import type { InFlightTotals, SenderTotals } from './measurements.ts';

/** Send lag that voids a run: a tenth of the tightest latency SLO (200 ms). */
export const SEND_LAG_LIMIT_US = 20_000;
const MAX_NAMED = 5;
/**
 * Limit for other processes, as a share of all cores; on two idle cores the operating system takes a tenth of a core.
 */
const OTHER_SHARE = 0.125;
export const OTHER_CPU = 'other-cpu';

export interface ValidityInput {
  /** Attempts of the judged phases; `attempts` has those of all phases. */
  readonly judged: readonly OperationRecord[];
  readonly attempts: readonly OperationRecord[];
  readonly faults: readonly FaultSummary[];
}

/** The part of an arm's input that the checks need. */
type ValidityRules = Pick<ArmInput, 'lagLimitUs' | 'culprit'> & {
  readonly observed: Pick<
    ArmInput['observed'],
    'timedFromSend' | 'evidence' | 'expected' | 'otherCpu' | 'limits'
  > & { readonly totals: InFlightTotals & Pick<SenderTotals, 'planned' | 'scheduleDigest'> };
};

export function validityChecks(input: ValidityRules, seen: ValidityInput): ValidityCheck[] {
  return [
    ...checkMachineLimits(seen.attempts, input.observed.limits ?? []),
    input.observed.timedFromSend
      ? warnTimedFromSend()
      : checkSendLag(seen.judged, input.lagLimitUs),
    checkAllArrivals(seen.attempts, input.observed.totals.planned),
    littlesLaw(seen.attempts, input.observed.totals),
    checkSchedule(seen.attempts, input.observed.totals.scheduleDigest),
    checkAttemptsUnique(seen.attempts),
    checkStampOrder(seen.attempts),
    checkOutcomes(seen.attempts),
    ...checkOtherCpu(input.observed.otherCpu),
    ...checkFaultLanded(input),
    ...checkFaultsHealed(seen.faults, input.observed.expected),
  ];
}

/** A fault without effect tests nothing; one that was not undone disturbs later phases. */
function checkFaultsHealed(faults: readonly FaultSummary[], expected: Verdict): ValidityCheck[] {
  if (faults.length === 0) return [];
  // A design expected to hold must meet the fault at its trigger event; a failing one may never cause that event.
  const isOpen = ({ outcome, detail }: FaultSummary) =>
    outcome !== 'healed' || (expected === 'pass' && detail.includes(WITHOUT_EVENT));
  const open = faults.filter(isOpen);
  const named = open
    .slice(0, MAX_NAMED)
    .map(describeOpenFault)
    .concat(open.length > MAX_NAMED ? [`${open.length - MAX_NAMED} more`] : [])
    .join(', ');
  return [
    {
      id: 'faults',
      statement: 'every fault took effect and was proven undone',
      measured: open.length === 0 ? `${faults.length} of ${faults.length}` : named,
      limit: 'all',
      ok: open.length === 0,
      severity: 'unknown',
    },
  ];
}

/** `redis-partition missed, contradicted: bytes forwarded by gateway.1->redis: 812, expected at most 0`. */
function describeOpenFault({ name, outcome, detail }: FaultSummary): string {
  const at = detail.indexOf(CONTRADICTED);
  if (outcome === 'missed' && at >= 0) return `${name} missed, ${detail.slice(at)}`;
  return `${name} ${outcome === 'healed' ? WITHOUT_EVENT : outcome}`;
}

function checkSendLag(judged: readonly OperationRecord[], limitUs: number): ValidityCheck {
  const lagUs = summarize(sendLagsUs(judged)).p99Us;
  return {
    id: 'send-lag',
    statement: 'the load generator sent on time',
    measured: `p99 ${(lagUs / 1_000).toFixed(1)} ms`,
    limit: `p99 <= ${(limitUs / 1_000).toFixed(0)} ms`,
    ok: judged.length > 0 && lagUs <= limitUs,
    severity: 'unknown',
  };
}

/** Latencies from the send omit the wait before it: they are not comparable with ours. */
function warnTimedFromSend(): ValidityCheck {
  return {
    id: 'scheduled-instants',
    statement: 'latency is timed from the instant a request was due',
    measured: 'the generator timed from the send: waiting before it is not in the latency',
    limit: 'scheduled instants',
    ok: false,
    severity: 'warn',
  };
}

/** Counts first attempts only: a retry must not replace a lost first attempt. */
function checkAllArrivals(attempts: readonly OperationRecord[], planned: number): ValidityCheck {
  const arrivals = attempts.filter(({ retryOf }) => retryOf === undefined).length;
  return {
    id: 'all-arrivals',
    statement: 'every planned arrival is in the history',
    measured: `${arrivals} of ${planned}`,
    limit: 'all',
    ok: arrivals === planned && arrivals > 0,
    severity: 'unknown',
  };
}

/** A moved or renamed attempt can leave every sum of Little's law as it was. */
function checkSchedule(attempts: readonly OperationRecord[], expected: string): ValidityCheck {
  const found = scheduleDigest(attempts);
  return {
    id: 'schedule',
    statement: 'the history has the schedule that the generator played',
    measured: found === expected ? `digest ${found}` : `digest ${found}, played ${expected}`,
    limit: 'equal',
    ok: found === expected,
    severity: 'unknown',
  };
}

function checkStampOrder(operations: readonly OperationRecord[]): ValidityCheck {
  const disordered = operations.filter(
    ({ scheduledUs, sentUs, doneUs }) =>
      doneUs < scheduledUs || (sentUs >= 0 && (sentUs < scheduledUs || doneUs < sentUs)),
  ).length;
  return {
    id: 'clock',
    statement: 'scheduled <= sent <= done in every operation',
    measured: `${disordered} out of order`,
    limit: '0',
    ok: disordered === 0,
    severity: 'unknown',
  };
}

function checkAttemptsUnique(attempts: readonly OperationRecord[]): ValidityCheck {
  const doubled = attempts.length - new Set(attempts.map(({ id }) => id)).size;
  const broken = brokenRetrySequences(attempts);
  return {
    id: 'attempts',
    statement: 'every attempt is in the history once, after the one it repeats',
    measured: `${doubled} doubled, ${broken} retry sequences broken`,
    limit: '0',
    ok: doubled === 0 && broken === 0,
    severity: 'unknown',
  };
}

/** Recomputes every outcome from its record by the table in outcome.ts. */
function checkOutcomes(attempts: readonly OperationRecord[]): ValidityCheck {
  const wrong = attempts.filter(({ sentUs, status, error, outcome }) => {
    const answered = error === undefined || error === `http ${status}`;
    const attempt = { sent: sentUs >= 0, status, error: answered ? null : error };
    return classify(attempt).outcome !== outcome;
  }).length;
  return {
    id: 'outcomes',
    statement: 'every recorded outcome matches the response',
    measured: `${wrong} mismatches`,
    limit: '0',
    ok: wrong === 0,
    severity: 'unknown',
  };
}

/** A warning only; it may explain a missed latency or an unknown verdict. */
function checkOtherCpu(other: OtherCpu | null): ValidityCheck[] {
  if (other === null) return [];
  const { usedCores, stolenCores, cores } = other;
  const limitCores = OTHER_SHARE * cores;
  const stolen =
    stolenCores >= limitCores / 5 ? `, the hypervisor took ${stolenCores.toFixed(1)}` : '';
  return [
    {
      id: OTHER_CPU,
      statement: 'the machine had its cores for the run',
      measured: `other processes used ${usedCores.toFixed(1)} of ${cores} cores${stolen}`,
      limit: `${limitCores} cores`,
      ok: usedCores + stolenCores <= limitCores,
      severity: 'warn',
    },
  ];
}

/** The documented statement must have run where a failure is expected, and only there. */
function checkFaultLanded({ observed, culprit }: ValidityRules): ValidityCheck[] {
  if (culprit === null || observed.evidence === null) return [];
  const calls = culpritCalls({ culprit, statements: observed.evidence.statements });
  if (calls === null) return [];
  const expected = observed.expected === 'fail';
  return [
    {
      id: 'fault-landed',
      statement: expected
        ? 'the documented query ran on the hot path'
        : 'the documented query is gone from the hot path',
      measured: `${calls} calls`,
      limit: expected ? '> 0' : '0',
      ok: expected ? calls > 0 : calls === 0,
      severity: expected ? 'unknown' : 'warn',
    },
  ];
}
