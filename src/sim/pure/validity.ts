/**
 * Conditions a run must meet before its numbers mean anything. Each is computed from the history or from what
 * the instruments showed; a failed one turns the arm's verdict to unknown.
 */
import type { OperationRecord } from '../history.ts';
import type { FaultSummary, ValidityCheck } from '../result.ts';
import type { ArmInput } from './arm-result.ts';
import { brokenChains } from './attempts.ts';
import { lags } from './capacity.ts';
import { culpritCalls } from './diagnose.ts';
import { summarize } from './histogram.ts';
import { littlesLaw } from './little.ts';

export interface ValidityInput {
  /** Operations of the judged phases, and all of them, retries folded into their operation. */
  readonly judged: readonly OperationRecord[];
  readonly operations: readonly OperationRecord[];
  /** Every request as it was sent. */
  readonly attempts: readonly OperationRecord[];
  readonly faults: readonly FaultSummary[];
}

export function validityChecks(input: ArmInput, seen: ValidityInput): ValidityCheck[] {
  return [
    input.observed.timedFromSend ? fromTheSend() : sendLag(seen.judged, input.lagLimitUs),
    allArrivals(seen.operations, input.observed.totals.planned),
    littlesLaw(seen.attempts, input.observed.totals),
    chains(seen.attempts),
    clock(seen.attempts),
    ...faultLanded(input),
    ...faultsHealed(seen.faults),
  ];
}

function chains(attempts: readonly OperationRecord[]): ValidityCheck {
  const broken = brokenChains(attempts);
  return {
    id: 'retries',
    statement: 'every retry follows the attempt before it',
    measured: `${broken} broken`,
    limit: '0',
    ok: broken === 0,
    severity: 'unknown',
  };
}

/** A fault that never took effect tests nothing; one that never ended blames what came after. */
function faultsHealed(faults: readonly FaultSummary[]): ValidityCheck[] {
  if (faults.length === 0) return [];
  const open = faults.filter(({ outcome }) => outcome !== 'healed');
  const named = open.map(({ name, outcome }) => `${name} ${outcome}`).join(', ');
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

function allArrivals(operations: readonly OperationRecord[], planned: number): ValidityCheck {
  return {
    id: 'all-arrivals',
    statement: 'every planned arrival is in the history',
    measured: `${operations.length} of ${planned}`,
    limit: 'all',
    ok: operations.length === planned && operations.length > 0,
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

/** The documented failure is a statement: it must have run where a failure is expected, and only there. */
function faultLanded({ observed, culprit }: ArmInput): ValidityCheck[] {
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
