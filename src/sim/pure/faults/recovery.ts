/**
 * Recovery from each fault: when the alert would have fired, when the service returned to tolerance and stayed there,
 * and when the backlog had drained. Observed until the next fault begins or the history ends; what did not happen by
 * then is null.
 *
 * An operation is bad when it got no answer or a 5xx, or took much longer than operations of its name in the baseline;
 * a 4xx is an answer. In tolerance at t: of the operations scheduled in [t, t + stableUs), the bad ratio is within the
 * objective. Recovery is the first instant after the last one out of tolerance, if at least `stableUs` remain
 * (hysteresis: a good interval between two bad ones is no recovery).
 */
import type { OperationRecord, PhaseRecord } from '../../history.ts';
import type { FaultSummary, RecoveryResult } from '../../result.ts';
import type { Tolerance } from '../../scenario.ts';
import { LatencyHistogram } from '../measure/histogram.ts';
import { responseUs, type Span } from '../measure/series.ts';
import { type AlertEvent, alertInstants, type BurnRateAlert } from './burn-rate.ts';

export interface RecoveryRule {
  readonly alert: BurnRateAlert;
  readonly stableUs: number;
  /** An operation is slow above this many times the baseline's p99, and above `slowFloorUs`. */
  readonly slowFactor: number;
  readonly slowFloorUs: number;
}

/** The production alert (14.4 over 1 h and 5 min) with windows for a run of a minute. */
const LONG_US = 5_000_000;
export const RECOVERY_RULE: RecoveryRule = {
  alert: {
    objective: 0.99,
    threshold: 14.4,
    minEvents: 20,
    longUs: LONG_US,
    shortUs: LONG_US / 12,
  },
  stableUs: 2_000_000,
  slowFactor: 3,
  slowFloorUs: 50_000,
};

export function recoveryRule(tolerance: Tolerance | null): RecoveryRule {
  if (tolerance === null) return RECOVERY_RULE;
  const { slowMs, stableMs } = tolerance;
  return { ...RECOVERY_RULE, slowFloorUs: slowMs * 1_000, stableUs: stableMs * 1_000 };
}

export interface RecoveryInput {
  /** Retries folded into their operations. */
  readonly operations: readonly OperationRecord[];
  readonly faults: readonly FaultSummary[];
  readonly phases: readonly PhaseRecord[];
  /** Name of the healthy phase; null: no operation counts as slow, and `drainUs` is null. */
  readonly baseline: string | null;
  readonly rule?: RecoveryRule;
}

export function recoveries(input: RecoveryInput): RecoveryResult[] {
  const { operations, faults, phases, rule = RECOVERY_RULE } = input;
  const healthy = phases.find(({ name }) => name === input.baseline);
  const isBad = createBadPredicate(operations, input.baseline, rule);
  const byDone = [...operations].sort((a, b) => a.doneUs - b.doneUs);
  const events = byDone.map((one): AlertEvent => ({ atUs: one.doneUs, isBad: isBad(one) }));
  const alertsUs = alertInstants(events, rule.alert);
  const arrivals = operations
    .map((one): AlertEvent => ({ atUs: one.scheduledUs, isBad: isBad(one) }))
    .sort((a, b) => a.atUs - b.atUs);
  const inFlight = new InFlight(arrivals, events);
  const baselineInFlight = healthy === undefined ? null : inFlight.max(healthy);
  const lastUs = Math.max(0, events.at(-1)?.atUs ?? 0, ...phases.map(({ endUs }) => endUs));
  return faults.map((fault): RecoveryResult => {
    const note = describeRule(rule);
    if (fault.outcome === 'missed') {
      return { fault: fault.name, detectUs: null, recoverUs: null, drainUs: null, note };
    }
    const { startUs, endUs } = fault;
    const [next] = faults
      .filter((other) => other.startUs >= endUs && other.startUs < lastUs)
      .sort((a, b) => a.startUs - b.startUs);
    const span = { startUs, endUs: next?.startUs ?? lastUs };
    const alertUs = alertsUs.find((atUs) => atUs >= startUs && atUs < span.endUs);
    const recoveredUs = findRecoveryUs(arrivals, span, rule);
    const drainedUs =
      baselineInFlight === null
        ? null
        : inFlight.firstAtOrBelow(baselineInFlight, endUs, span.endUs);
    return {
      fault: fault.name,
      detectUs: alertUs === undefined ? null : alertUs - startUs,
      recoverUs: recoveredUs === null ? null : recoveredUs - startUs,
      drainUs: drainedUs === null ? null : drainedUs - endUs,
      watchedUs: Math.max(0, span.endUs - startUs),
      ...(next && { next: next.name }),
      note,
    };
  });
}

function createBadPredicate(
  operations: readonly OperationRecord[],
  baseline: string | null,
  { slowFactor, slowFloorUs }: RecoveryRule,
): (operation: OperationRecord) => boolean {
  const baselineInFlight = new Map<string, LatencyHistogram>();
  for (const operation of operations) {
    if (operation.phase !== baseline || operation.outcome !== 'ok') continue;
    const histogram = baselineInFlight.get(operation.name) ?? new LatencyHistogram();
    histogram.record(responseUs(operation));
    baselineInFlight.set(operation.name, histogram);
  }
  const slowUs = new Map(
    [...baselineInFlight].map(([name, histogram]) => {
      const p99Us = histogram.quantile(0.99) ?? 0;
      return [name, Math.max(slowFloorUs, slowFactor * p99Us)];
    }),
  );
  return (operation) =>
    operation.status === 0 ||
    operation.status >= 500 ||
    responseUs(operation) > (slowUs.get(operation.name) ?? Number.POSITIVE_INFINITY);
}

/** First instant from which the service was in tolerance until the span ends; null when not proven. */
function findRecoveryUs(
  arrivals: readonly AlertEvent[],
  span: Span,
  { alert, stableUs }: RecoveryRule,
): number | null {
  const from = lowerBound(arrivals, span.startUs);
  const to = lowerBound(arrivals, span.endUs);
  const tolerated = 1 - alert.objective;
  let recoveredUs = span.startUs;
  let [end, bad] = [to, 0];
  // Backwards over the windows that start at a bad operation, to the last one out of tolerance.
  for (let index = to - 1; index >= from; index -= 1) {
    const { atUs, isBad } = arrivals[index]!;
    if (!isBad) continue;
    bad += 1;
    for (; end > index && arrivals[end - 1]!.atUs >= atUs + stableUs; end -= 1) {
      if (arrivals[end - 1]!.isBad) bad -= 1;
    }
    // Near the end of the span the window is extended backwards, so that it always has `stableUs` of operations.
    const start = Math.min(index, lowerBound(arrivals, span.endUs - stableUs));
    if (bad > tolerated * (end - Math.max(from, start))) {
      recoveredUs = atUs + 1;
      break;
    }
  }
  const seen = to - lowerBound(arrivals, recoveredUs);
  return span.endUs - recoveredUs >= stableUs && seen >= alert.minEvents ? recoveredUs : null;
}

/** Index of the first event at or after `atUs`. */
function lowerBound(events: readonly AlertEvent[], atUs: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (events[middle]!.atUs < atUs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Number of operations in flight at any instant. */
class InFlight {
  readonly #starts: readonly AlertEvent[];
  readonly #ends: readonly AlertEvent[];

  constructor(starts: readonly AlertEvent[], ends: readonly AlertEvent[]) {
    this.#starts = starts;
    this.#ends = ends;
  }

  max({ startUs, endUs }: Span): number {
    let most = 0;
    for (const [, count] of this.#steps(startUs, endUs)) most = Math.max(most, count);
    return most;
  }

  /** First instant in the span with at most `level` operations in flight. */
  firstAtOrBelow(level: number, startUs: number, endUs: number): number | null {
    for (const [atUs, count] of this.#steps(startUs, endUs)) if (count <= level) return atUs;
    return null;
  }

  *#steps(startUs: number, endUs: number): Generator<readonly [atUs: number, count: number]> {
    let start = lowerBound(this.#starts, startUs);
    let end = lowerBound(this.#ends, startUs);
    yield [startUs, start - end];
    for (;;) {
      const startsUs = this.#starts[start]?.atUs ?? Number.POSITIVE_INFINITY;
      const endsUs = this.#ends[end]?.atUs ?? Number.POSITIVE_INFINITY;
      const atUs = Math.min(startsUs, endsUs);
      if (atUs >= endUs) return;
      if (startsUs <= endsUs) start += 1;
      else end += 1;
      yield [atUs, start - end];
    }
  }
}

function describeRule({ alert, stableUs, slowFactor, slowFloorUs }: RecoveryRule): string {
  const { objective, threshold, longUs, shortUs } = alert;
  const seconds = (us: number) => `${Number((us / 1e6).toFixed(2))} s`;
  const budget = `${Number(((1 - objective) * 100).toFixed(2))} %`;
  return (
    `alert: ${threshold} times the budget of ${budget} bad, over ${seconds(longUs)} and ${seconds(shortUs)}; ` +
    `tolerance: at most ${budget} bad over ${seconds(stableUs)}; bad: no answer, 5xx, or slower than ` +
    `${slowFactor} times the baseline's p99 and ${slowFloorUs / 1_000} ms`
  );
}
