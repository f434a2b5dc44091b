/**
 * Recovery as an indicator: for each fault, when its alert would have fired, since when the service was back in
 * tolerance for good, and when the backlog it left was gone. A fault is answered for until the next one begins
 * after it, or until the history ends; what did not happen by then is null.
 *
 * An operation is bad when it got no answer or a 5xx, or took much longer than its kind does in the baseline. A
 * refusal (4xx) is an answer. In tolerance at t: of the operations scheduled in the `stayUs` from t on, no larger
 * share is bad than the objective allows; recovered is the first instant after the last one that was not, if
 * `stayUs` are left to prove it (hysteresis: a good moment between two bad ones is no recovery).
 */
import type { OperationRecord, PhaseRecord } from '../history.ts';
import type { FaultSummary, RecoveryResult } from '../result.ts';
import type { Tolerance } from '../scenario.ts';
import { type AlertEvent, type BurnRateAlert, firingInstants } from './burn-rate.ts';
import { LatencyHistogram } from './histogram.ts';
import { responseUs, type Span } from './series.ts';

export interface RecoveryRule {
  readonly alert: BurnRateAlert;
  readonly stayUs: number;
  /** Slow is more than this many times the p99 of the baseline, and more than `slowFloorUs`. */
  readonly slowFactor: number;
  readonly slowFloorUs: number;
}

/** The production pair (14.4 over 1 h and 5 min) with windows that fit a run of a minute. */
const LONG_US = 5_000_000;
export const RECOVERY_RULE: RecoveryRule = {
  alert: {
    ...{ objective: 0.99, threshold: 14.4, minEvents: 20 },
    ...{ longUs: LONG_US, shortUs: LONG_US / 12 },
  },
  stayUs: 2_000_000,
  slowFactor: 3,
  slowFloorUs: 50_000,
};

export function ruleFor(tolerance: Tolerance | null): RecoveryRule {
  if (tolerance === null) return RECOVERY_RULE;
  const { slowMs, stayMs } = tolerance;
  return { ...RECOVERY_RULE, slowFloorUs: slowMs * 1_000, stayUs: stayMs * 1_000 };
}

export interface RecoveryInput {
  /** Retries folded into their operations. */
  readonly operations: readonly OperationRecord[];
  readonly faults: readonly FaultSummary[];
  readonly phases: readonly PhaseRecord[];
  /** Name of the phase that shows the service as it should be; null: nothing is slow, and no backlog is judged. */
  readonly baseline: string | null;
  readonly rule?: RecoveryRule;
}

export function recoveries(input: RecoveryInput): RecoveryResult[] {
  const { operations, faults, phases, rule = RECOVERY_RULE } = input;
  const healthy = phases.find(({ name }) => name === input.baseline);
  const isBad = badness(operations, input.baseline, rule);
  const byDone = [...operations].sort((a, b) => a.doneUs - b.doneUs);
  const events = byDone.map((one): AlertEvent => ({ atUs: one.doneUs, bad: isBad(one) }));
  const firings = firingInstants(events, rule.alert);
  const arrivals = operations
    .map((one): AlertEvent => ({ atUs: one.scheduledUs, bad: isBad(one) }))
    .sort((a, b) => a.atUs - b.atUs);
  const flight = new InFlight(arrivals, events);
  const usual = healthy === undefined ? null : flight.most(healthy);
  const lastUs = Math.max(0, events.at(-1)?.atUs ?? 0, ...phases.map(({ endUs }) => endUs));
  return faults.map((fault): RecoveryResult => {
    const note = noteOf(rule);
    if (fault.outcome === 'missed') {
      return { fault: fault.name, detectUs: null, recoverUs: null, drainUs: null, note };
    }
    const { startUs, endUs } = fault;
    const [next] = faults
      .filter((other) => other.startUs >= endUs && other.startUs < lastUs)
      .sort((a, b) => a.startUs - b.startUs);
    const span = { startUs, endUs: next?.startUs ?? lastUs };
    const firedUs = firings.find((atUs) => atUs >= startUs && atUs < span.endUs);
    const backUs = backInTolerance(arrivals, span, rule);
    const drainedUs = usual === null ? null : flight.atMost(usual, endUs, span.endUs);
    return {
      fault: fault.name,
      detectUs: firedUs === undefined ? null : firedUs - startUs,
      recoverUs: backUs === null ? null : backUs - startUs,
      drainUs: drainedUs === null ? null : drainedUs - endUs,
      watchedUs: Math.max(0, span.endUs - startUs),
      ...(next && { next: next.name }),
      note,
    };
  });
}

function badness(
  operations: readonly OperationRecord[],
  baseline: string | null,
  { slowFactor, slowFloorUs }: RecoveryRule,
): (operation: OperationRecord) => boolean {
  const usual = new Map<string, LatencyHistogram>();
  for (const operation of operations) {
    if (operation.phase !== baseline || operation.outcome !== 'ok') continue;
    const histogram = usual.get(operation.name) ?? new LatencyHistogram();
    histogram.record(responseUs(operation));
    usual.set(operation.name, histogram);
  }
  const slowUs = new Map(
    [...usual].map(([name, histogram]) => {
      const p99Us = histogram.quantile(0.99) ?? 0;
      return [name, Math.max(slowFloorUs, slowFactor * p99Us)];
    }),
  );
  return (operation) =>
    operation.status === 0 ||
    operation.status >= 500 ||
    responseUs(operation) > (slowUs.get(operation.name) ?? Number.POSITIVE_INFINITY);
}

/** First instant since which the service was in tolerance until the span ends; null when that is not proven. */
function backInTolerance(
  arrivals: readonly AlertEvent[],
  span: Span,
  { alert, stayUs }: RecoveryRule,
): number | null {
  const from = firstAt(arrivals, span.startUs);
  const to = firstAt(arrivals, span.endUs);
  const tolerated = 1 - alert.objective;
  let backUs = span.startUs;
  let [end, bad] = [to, 0];
  // Backwards: windows that begin at a bad operation; the last one out of tolerance is what recovery follows.
  for (let index = to - 1; index >= from; index -= 1) {
    const { atUs, bad: isBad } = arrivals[index]!;
    if (!isBad) continue;
    bad += 1;
    for (; end > index && arrivals[end - 1]!.atUs >= atUs + stayUs; end -= 1) {
      if (arrivals[end - 1]!.bad) bad -= 1;
    }
    // Near the end of the span the window reaches back, so that it is never judged on a handful.
    const start = Math.min(index, firstAt(arrivals, span.endUs - stayUs));
    if (bad > tolerated * (end - Math.max(from, start))) {
      backUs = atUs + 1;
      break;
    }
  }
  const seen = to - firstAt(arrivals, backUs);
  return span.endUs - backUs >= stayUs && seen >= alert.minEvents ? backUs : null;
}

/** Index of the first event at or after `atUs`. */
function firstAt(events: readonly AlertEvent[], atUs: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (events[middle]!.atUs < atUs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many operations were scheduled and had not ended, at any instant. */
class InFlight {
  readonly #starts: readonly AlertEvent[];
  readonly #ends: readonly AlertEvent[];

  constructor(starts: readonly AlertEvent[], ends: readonly AlertEvent[]) {
    this.#starts = starts;
    this.#ends = ends;
  }

  most({ startUs, endUs }: Span): number {
    let most = 0;
    for (const [, count] of this.#steps(startUs, endUs)) most = Math.max(most, count);
    return most;
  }

  /** First instant in the span at which no more than `level` were in flight. */
  atMost(level: number, startUs: number, endUs: number): number | null {
    for (const [atUs, count] of this.#steps(startUs, endUs)) if (count <= level) return atUs;
    return null;
  }

  *#steps(startUs: number, endUs: number): Generator<readonly [atUs: number, count: number]> {
    let start = firstAt(this.#starts, startUs);
    let end = firstAt(this.#ends, startUs);
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

function noteOf({ alert, stayUs, slowFactor, slowFloorUs }: RecoveryRule): string {
  const { objective, threshold, longUs, shortUs } = alert;
  const seconds = (us: number) => `${Number((us / 1e6).toFixed(2))} s`;
  const budget = `${Number(((1 - objective) * 100).toFixed(2))} %`;
  return (
    `alert: ${threshold} times the budget of ${budget} bad, over ${seconds(longUs)} and ${seconds(shortUs)}; ` +
    `tolerance: at most ${budget} bad over ${seconds(stayUs)}; bad: no answer, 5xx, or slower than ` +
    `${slowFactor} times the baseline's p99 and ${slowFloorUs / 1_000} ms`
  );
}
