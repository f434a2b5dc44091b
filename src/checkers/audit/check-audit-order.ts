/**
 * The order of the log respects real time: an operation that was answered before another was sent is before it in the
 * log, and every event is recorded before its response. The platform's clock differs from the load generator's; the
 * offset is estimated from the events, because each occurred between the sending and the response of its operation. It
 * is estimated per window of 10 s, so that a slowly adjusted clock does not matter.
 *
 * While the store is unavailable an event may wait in a local log and be recorded late. Such records are exempt, and
 * counted, only where the history shows why: a fault of the store, or a phase that overloads it on purpose while
 * operations take a second or longer. Where operations take that long and the history shows no reason, late records prove
 * neither a defect nor its absence: the verdict is unknown. O(n log n).
 */
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import type { FaultWindow } from '../../sim/pure/faults/fault-windows.ts';
import { groupBy } from '../../sim/pure/group-by.ts';
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';
import type { Figure } from '../../sim/result.ts';
import { isAcknowledged } from './check-audit.ts';
import { withoutContent } from './without-content.ts';

const WITNESS_LIMIT = 10;
const CLOCK_WINDOW_US = 10_000_000;
/** Resolution of the platform's clock. */
const CLOCK_RESOLUTION_US = 2_000;
/** A request may wait this long before it is handled. */
const MAX_DATE_ERROR_US = 2_000_000;

export interface AuditOrderInput {
  readonly operations: readonly OperationRecord[];
  /** Rows with `place` (order of the whole log) and `receivedAtUs` (the store's own time, Unix) among their facts. */
  readonly rows: readonly FactRecord[];
  /** Faults of the store. */
  readonly outages?: readonly FaultWindow[];
  /** Whether a phase overloads the store on purpose; default: none does. */
  overloads?(phase: string): boolean;
  /** While an operation takes this long, the store may be unavailable; default 1 s. */
  readonly unresponsiveUs?: number;
  /** Added to the end of an outage; default 2 s. */
  readonly recoveryGraceUs?: number;
}

type Span = Pick<FaultWindow, 'startUs' | 'endUs'>;

interface RecordedOperation {
  readonly operation: OperationRecord;
  readonly row: FactRecord;
  readonly place: number;
  readonly isAnswered: boolean;
}

/** `checked` counts recorded and acknowledged operations that are not exempt. */
export function checkAuditOrder(input: AuditOrderInput): CheckResult {
  const byRequest = new Map(input.operations.map((one) => [one.requestId, one]));
  const recorded = input.rows.flatMap((row) => toRecorded(row, byRequest.get(row.requestId)));
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  const report = (
    violation: string,
    { operation, row }: RecordedOperation,
    other?: RecordedOperation,
  ) => {
    violations += 1;
    if (witness.length < WITNESS_LIMIT)
      witness.push({
        violation,
        operation: withoutContent(operation),
        row,
        ...(other && { after: other.row }),
      });
  };
  const offsetUsOf = estimateClockOffsets(recorded);
  const lateness = createLatenessTest(input);
  const onTime: RecordedOperation[] = [];
  const exempt = { outage: 0, overload: 0, unexplained: 0 };
  let checked = 0;
  for (const one of recorded) {
    const { operation, row, isAnswered } = one;
    if (!isAnswered) continue;
    const aheadUs = offsetUsOf(one);
    checked += 1;
    if (aheadUs === null) {
      report('dated outside its request', one);
      continue;
    }
    const lateUs = Number(row.facts?.receivedAtUs) - aheadUs - operation.doneUs;
    if (!(lateUs > CLOCK_RESOLUTION_US)) {
      onTime.push(one);
      continue;
    }
    const cause = lateness(operation);
    if (cause === null) {
      report('recorded only after its response', one);
      continue;
    }
    exempt[cause] += 1;
    checked -= 1;
  }
  const pairs = reportDisorder(onTime, recorded, report);
  const gap = violations > 0 ? null : findGap(pairs, exempt.unexplained);
  return concludeCheck({
    checked,
    violations,
    witness,
    gap,
    figures: figuresOf(exempt),
  });
}

/** Compares each operation with the highest place among those answered before it was sent. Returns how many there were. */
function reportDisorder(
  answered: readonly RecordedOperation[],
  all: readonly RecordedOperation[],
  report: (violation: string, one: RecordedOperation, other: RecordedOperation) => void,
): number {
  const ends = answered.toSorted((a, b) => a.operation.doneUs - b.operation.doneUs);
  const starts = all.toSorted((a, b) => a.operation.sentUs - b.operation.sentUs);
  let [next, followed] = [0, 0];
  let furthest: RecordedOperation | null = null;
  for (const one of starts) {
    for (; next < ends.length && ends[next]!.operation.doneUs < one.operation.sentUs; next += 1)
      if (furthest === null || ends[next]!.place > furthest.place) furthest = ends[next]!;
    if (furthest === null) continue;
    followed += 1;
    if (one.place < furthest.place)
      report('before an operation that was answered before it was sent', one, furthest);
  }
  return followed;
}

function toRecorded(row: FactRecord, operation: OperationRecord | undefined): RecordedOperation[] {
  const place = row.facts?.place;
  if (operation === undefined || operation.sentUs < 0 || typeof place !== 'number') return [];
  return [{ operation, row, place, isAnswered: isAcknowledged(operation) }];
}

/**
 * Upper bound of the platform's clock minus the load generator's in the window of an operation; null: the date of the
 * row is impossible.
 */
function estimateClockOffsets(
  recorded: readonly RecordedOperation[],
): (one: RecordedOperation) => number | null {
  const windowOf = ({ operation }: RecordedOperation) =>
    Math.floor(operation.doneUs / CLOCK_WINDOW_US);
  const aheadUs = ({ operation, row }: RecordedOperation) => row.occurredAtUs - operation.sentUs;
  const windows = groupBy(
    recorded.filter(({ isAnswered }) => isAnswered),
    windowOf,
  );
  const medianUs = new Map<number, number>();
  const leastUs = new Map<number, number>();
  const isMisdated = (one: RecordedOperation, expectedUs: number) =>
    aheadUs(one) < expectedUs - MAX_DATE_ERROR_US ||
    one.row.occurredAtUs - one.operation.doneUs > expectedUs + MAX_DATE_ERROR_US;
  for (const [window, members] of windows) {
    // A few wrong dates hardly move the median.
    const middleUs = members.map(aheadUs).sort((a, b) => a - b)[members.length >> 1]!;
    medianUs.set(window, middleUs);
    const plausible = members.filter((one) => !isMisdated(one, middleUs)).map(aheadUs);
    leastUs.set(
      window,
      plausible.reduce((least, offsetUs) => Math.min(least, offsetUs), middleUs),
    );
  }
  return (one) => {
    const window = windowOf(one);
    return isMisdated(one, medianUs.get(window)!) ? null : leastUs.get(window)!;
  };
}

function findGap(pairs: number, unexplained: number): string | null {
  if (unexplained > 0)
    return `${unexplained} recorded after their answers while operations took a second or longer, without a fault`;
  return pairs > 0 ? null : 'no two operations were sequential';
}

type Lateness = 'outage' | 'overload' | 'unexplained';

function figuresOf(exempt: Readonly<Record<Lateness, number>>): Figure[] {
  const figure = (id: string, label: string, value: number): Figure => {
    return { id, label, value, unit: 'count' };
  };
  return [
    figure('order-exempt', 'recorded late in an outage, not checked', exempt.outage),
    figure('order-overload', 'recorded late in an overload, not checked', exempt.overload),
    figure('order-unexplained', 'recorded late without a reason, not judged', exempt.unexplained),
  ];
}

/** Why an operation may be recorded late; null: it may not. */
function createLatenessTest(input: AuditOrderInput): (one: OperationRecord) => Lateness | null {
  const {
    operations,
    outages = [],
    overloads = () => false,
    unresponsiveUs = 1_000_000,
    recoveryGraceUs = 2_000_000,
  } = input;
  const slow = operations.filter(
    ({ sentUs, doneUs }) => sentUs >= 0 && doneUs - sentUs >= unresponsiveUs,
  );
  const spanOf = ({ sentUs, doneUs }: OperationRecord): Span => {
    return { startUs: sentUs, endUs: doneUs };
  };
  const isIn = (spans: readonly Span[]) => createSpanTest(spans, recoveryGraceUs);
  const tests: readonly (readonly [Lateness, ReturnType<typeof isIn>])[] = [
    ['outage', isIn(outages)],
    ['overload', isIn(slow.filter(({ phase }) => overloads(phase)).map(spanOf))],
    ['unexplained', isIn(slow.map(spanOf))],
  ];
  return (one) => tests.find(([, test]) => test(one))?.[0] ?? null;
}

/** Whether an operation overlaps a span or the grace after it. */
function createSpanTest(given: readonly Span[], graceUs: number) {
  const spans = given.toSorted((a, b) => a.startUs - b.startUs);
  const ends: number[] = [];
  for (const { endUs } of spans) ends.push(Math.max(endUs + graceUs, ends.at(-1) ?? 0));
  return ({ sentUs, doneUs }: OperationRecord): boolean => {
    let [low, high] = [0, spans.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (spans[middle]!.startUs <= doneUs) low = middle + 1;
      else high = middle;
    }
    return low > 0 && ends[low - 1]! >= sentUs;
  };
}
