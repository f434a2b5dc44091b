/**
 * Conditions a run must meet before its numbers mean anything. Each is computed from the history or from what
 * the instruments showed; a failed one turns the arm's verdict to unknown.
 */
import type { OperationRecord } from '../history.ts';
import type { FaultSummary, ValidityCheck, Verdict } from '../result.ts';
import type { ArmInput } from './arm-input.ts';
import { brokenChains } from './attempts.ts';
import { lags } from './capacity.ts';
import { culpritCalls } from './diagnose.ts';
import { WITHOUT_EVENT } from './fault-summary.ts';
import { summarize } from './histogram.ts';
import { littlesLaw } from './little.ts';
import { classify } from './outcome.ts';
import type { OtherCpu } from './resources.ts';

const MOST_NAMED = 5;
/**
 * What the rest of the machine may use before it is named, as a share of all cores: the housekeeping of one with two
 * cores takes about a tenth of a core.
 */
const OTHER_SHARE = 0.125;
export const OTHER_CPU = 'other-cpu';

export interface ValidityInput {
  /** Every request as it was sent: of the judged phases, and of all. */
  readonly judged: readonly OperationRecord[];
  readonly attempts: readonly OperationRecord[];
  readonly faults: readonly FaultSummary[];
}

/** The part of an arm's input that says what a valid run is. */
type ValidityRules = Pick<ArmInput, 'lagLimitUs' | 'culprit'> & {
  readonly observed: Pick<
    ArmInput['observed'],
    'totals' | 'timedFromSend' | 'evidence' | 'expected' | 'otherCpu'
  >;
};

export function validityChecks(input: ValidityRules, seen: ValidityInput): ValidityCheck[] {
  return [
    input.observed.timedFromSend ? fromTheSend() : sendLag(seen.judged, input.lagLimitUs),
    allArrivals(seen.attempts, input.observed.totals.planned),
    littlesLaw(seen.attempts, input.observed.totals),
    once(seen.attempts),
    clock(seen.attempts),
    outcomes(seen.attempts),
    ...otherCpu(input.observed.otherCpu),
    ...faultLanded(input),
    ...faultsHealed(seen.faults, input.observed.expected),
  ];
}

/** A fault that never took effect tests nothing; one that never ended blames what came after. */
function faultsHealed(faults: readonly FaultSummary[], expected: Verdict): ValidityCheck[] {
  if (faults.length === 0) return [];
  // A design that is to hold must hold at the moment that was meant; one that fails may never have such a moment.
  const isOpen = ({ outcome, detail }: FaultSummary) =>
    outcome !== 'healed' || (expected === 'pass' && detail.includes(WITHOUT_EVENT));
  const open = faults.filter(isOpen);
  const named = open
    .slice(0, MOST_NAMED)
    .map(({ name, outcome }) => `${name} ${outcome === 'healed' ? WITHOUT_EVENT : outcome}`)
    .concat(open.length > MOST_NAMED ? [`${open.length - MOST_NAMED} more`] : [])
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

function sendLag(judged: readonly OperationRecord[], limitUs: number): ValidityCheck {
  const lagUs = summarize(lags(judged)).p99Us;
  return {
    id: 'send-lag',
    statement: 'the load generator sent on time',
    measured: `p99 ${(lagUs / 1_000).toFixed(1)} ms`,
    limit: `p99 <= ${(limitUs / 1_000).toFixed(0)} ms`,
    ok: judged.length > 0 && lagUs <= limitUs,
    severity: 'unknown',
  };
}

/** Such latencies are shorter than ours under the same load: they must not be compared. */
function fromTheSend(): ValidityCheck {
  return {
    id: 'scheduled-instants',
    statement: 'latency is timed from the instant a request was due',
    measured: 'the generator timed from the send: waiting before it is not in the latency',
    limit: 'scheduled instants',
    ok: false,
    severity: 'warn',
  };
}

/** Counted in first attempts: a retry that lost its own must not stand in for it. */
function allArrivals(attempts: readonly OperationRecord[], planned: number): ValidityCheck {
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

function clock(operations: readonly OperationRecord[]): ValidityCheck {
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

function once(attempts: readonly OperationRecord[]): ValidityCheck {
  const doubled = attempts.length - new Set(attempts.map(({ id }) => id)).size;
  const broken = brokenChains(attempts);
  return {
    id: 'attempts',
    statement: 'every attempt is in the history once, after the one it repeats',
    measured: `${doubled} doubled, ${broken} chains broken`,
    limit: '0',
    ok: doubled === 0 && broken === 0,
    severity: 'unknown',
  };
}

/** The outcome is decided by one table; whoever recorded another one decided for himself. */
function outcomes(attempts: readonly OperationRecord[]): ValidityCheck {
  const wrong = attempts.filter(({ sentUs, status, error, outcome }) => {
    const answered = error === undefined || error === `http ${status}`;
    const attempt = { sent: sentUs >= 0, status, error: answered ? null : error };
    return classify(attempt).outcome !== outcome;
  }).length;
  return {
    id: 'outcomes',
    statement: 'every outcome follows from its answer, or the lack of one',
    measured: `${wrong} do not`,
    limit: '0',
    ok: wrong === 0,
    severity: 'unknown',
  };
}

/** What else used the machine. It voids nothing by itself; of a missed latency or an unknown verdict it may be why. */
function otherCpu(other: OtherCpu | null): ValidityCheck[] {
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

/** The documented failure is a statement: it must have run where a failure is expected, and only there. */
function faultLanded({ observed, culprit }: ValidityRules): ValidityCheck[] {
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
