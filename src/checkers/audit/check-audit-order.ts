/**
 * The log's order is the order of what happened: what was answered before another was asked stands before it, and
 * is on record before its answer. The platform's clock is not the load's: how far it may be ahead follows from the
 * events themselves, because each was taken up between its sending and its answer. Judged in stretches, so that a
 * clock which is slowly corrected does not matter, and on what is definite.
 *
 * While the store is away an event may stand in a local log and reach the order late; those are exempt, and counted.
 * O(n log n).
 */
import type { EffectRecord, OperationRecord } from '../../sim/history.ts';
import type { FaultWindow } from '../../sim/pure/fault-windows.ts';
import { groupBy } from '../../sim/pure/group-by.ts';
import type { InvariantResult } from '../../sim/result.ts';
import { isAcknowledged } from './check-audit.ts';

type Answer = Omit<InvariantResult, 'id' | 'statement'>;
const WITNESS_LIMIT = 10;
const STRETCH_US = 10_000_000;
/** How finely the platform reads its clock. */
const CLOCK_US = 2_000;
/** A request may wait this long before it is taken up. */
const MISDATED_US = 2_000_000;

export interface AuditOrderInput {
  readonly operations: readonly OperationRecord[];
  /** Rows with `place` (order of the whole log) and `receivedAtUs` (the store's own time, Unix) among their facts. */
  readonly rows: readonly EffectRecord[];
  /** When the store was away. */
  readonly away?: readonly FaultWindow[];
  /** A store that lets an operation wait for this long counts as away as well; default 1 s. */
  readonly silentUs?: number;
  /** After it is back, until everybody has noticed. */
  readonly backWithinUs?: number;
}

interface Placed {
  readonly operation: OperationRecord;
  readonly row: EffectRecord;
  readonly place: number;
  readonly isAnswered: boolean;
}

/** `checked` counts answered operations on record that are not exempt. */
export function checkAuditOrder(input: AuditOrderInput): Answer {
  const byRequest = new Map(input.operations.map((one) => [one.requestId, one]));
  const placed = input.rows.flatMap((row) => placedOf(row, byRequest.get(row.requestId)));
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  const report = (violation: string, { operation, row }: Placed, other?: Placed) => {
    violations += 1;
    if (witness.length < WITNESS_LIMIT)
      witness.push({
        violation,
        operation: shown(operation),
        row,
        ...(other && { after: other.row }),
      });
  };
  const clockOf = clocksOf(placed);
  const isAway = awayAt(input);
  const inOrder: Placed[] = [];
  let [judged, exempt] = [0, 0];
  for (const one of placed) {
    const { operation, row, isAnswered } = one;
    if (!isAnswered) continue;
    const aheadUs = clockOf(one);
    judged += 1;
    if (aheadUs === null) {
      report('dated outside of its request', one);
      continue;
    }
    const lateUs = Number(row.facts?.receivedAtUs) - aheadUs - operation.doneUs;
    if (!(lateUs > CLOCK_US)) {
      inOrder.push(one);
      continue;
    }
    if (isAway(operation)) {
      exempt += 1;
      judged -= 1;
    } else report('on record only after its answer', one);
  }
  const pairs = disorderIn(inOrder, placed, report);
  const gap = violations > 0 || pairs > 0 ? null : 'no two operations followed each other';
  return {
    verdict: violations > 0 ? 'fail' : gap === null ? 'pass' : 'unknown',
    ...{ checked: judged, violations, witness },
    ...(gap === null ? {} : { reason: gap }),
    figures: [
      {
        ...{ id: 'order-exempt', label: 'late while the store was away, not judged' },
        ...{ value: exempt, unit: 'count' },
      },
    ],
  };
}

/** Everything that was sent after an answer came stands behind it: a running maximum of the places answered so far. */
function disorderIn(
  answered: readonly Placed[],
  all: readonly Placed[],
  report: (violation: string, one: Placed, other: Placed) => void,
): number {
  const ends = answered.toSorted((a, b) => a.operation.doneUs - b.operation.doneUs);
  const starts = all.toSorted((a, b) => a.operation.sentUs - b.operation.sentUs);
  let [next, followed] = [0, 0];
  let furthest: Placed | null = null;
  for (const one of starts) {
    for (; next < ends.length && ends[next]!.operation.doneUs < one.operation.sentUs; next += 1)
      if (furthest === null || ends[next]!.place > furthest.place) furthest = ends[next]!;
    if (furthest === null) continue;
    followed += 1;
    if (one.place < furthest.place)
      report('stands before what was answered before it was asked', one, furthest);
  }
  return followed;
}

function placedOf(row: EffectRecord, operation: OperationRecord | undefined): Placed[] {
  const place = row.facts?.place;
  if (operation === undefined || operation.sentUs < 0 || typeof place !== 'number') return [];
  return [{ operation, row, place, isAnswered: isAcknowledged(operation) }];
}

/** The platform's clock minus the load's, at most, in the stretch of an operation; null: the row's date cannot be. */
function clocksOf(placed: readonly Placed[]): (one: Placed) => number | null {
  const stretchOf = ({ operation }: Placed) => Math.floor(operation.doneUs / STRETCH_US);
  const aheadUs = ({ operation, row }: Placed) => row.occurredAtUs - operation.sentUs;
  const stretches = groupBy(
    placed.filter(({ isAnswered }) => isAnswered),
    stretchOf,
  );
  const usual = new Map<number, number>();
  const most = new Map<number, number>();
  const isMisdated = (one: Placed, usualUs: number) =>
    aheadUs(one) < usualUs - MISDATED_US ||
    one.row.occurredAtUs - one.operation.doneUs > usualUs + MISDATED_US;
  for (const [stretch, of] of stretches) {
    // Wrong dates, if they are few, move the median little.
    const middleUs = of.map(aheadUs).sort((a, b) => a - b)[of.length >> 1]!;
    usual.set(stretch, middleUs);
    const right = of.filter((one) => !isMisdated(one, middleUs)).map(aheadUs);
    most.set(
      stretch,
      right.reduce((least, one) => Math.min(least, one), middleUs),
    );
  }
  return (one) => {
    const stretch = stretchOf(one);
    return isMisdated(one, usual.get(stretch)!) ? null : most.get(stretch)!;
  };
}

function awayAt(input: AuditOrderInput) {
  const { operations, away = [], silentUs = 1_000_000, backWithinUs = 2_000_000 } = input;
  const slow = operations.filter(
    ({ sentUs, doneUs }) => sentUs >= 0 && doneUs - sentUs >= silentUs,
  );
  const silent = slow.map(({ sentUs, doneUs }) => ({ startUs: sentUs, endUs: doneUs }));
  const windows = [...away, ...silent].sort((a, b) => a.startUs - b.startUs);
  const ends: number[] = [];
  for (const { endUs } of windows) ends.push(Math.max(endUs + backWithinUs, ends.at(-1) ?? 0));
  return ({ sentUs, doneUs }: OperationRecord): boolean => {
    let [low, high] = [0, windows.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (windows[middle]!.startUs <= doneUs) low = middle + 1;
      else high = middle;
    }
    return low > 0 && ends[low - 1]! >= sentUs;
  };
}

function shown(operation: OperationRecord): Partial<OperationRecord> {
  const { body: _, headers: __, ...rest } = operation;
  return rest;
}
