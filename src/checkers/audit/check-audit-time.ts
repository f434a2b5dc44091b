/**
 * The time of each record, bounded by its request: not before the request was sent, not after its answer had arrived,
 * not after the store had received the record; and the id of the event holds the same time. The history's clock is
 * monotonic; its origin in Unix time was read when the arm started. O(n).
 *
 * Tolerance: the wall clock may be slewed meanwhile, by 500 ppm at most (adjtime), and is read in milliseconds.
 */
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';
import { withoutContent } from './without-content.ts';

const WITNESS_LIMIT = 10;
const BASE_TOLERANCE_US = 20_000;
const MAX_SLEW = 500e-6;

export interface AuditTimeInput {
  readonly operations: readonly OperationRecord[];
  /** With `receivedAtUs` (the store's own time, Unix) and `idMs` (in the event's id) among their facts. */
  readonly rows: readonly FactRecord[];
  /** Origin of the history's clock, Unix microseconds; null: it is not known. */
  readonly originUs: number | null;
}

/** `checked` counts records of operations that were sent. */
export function checkAuditTime({ operations, rows, originUs }: AuditTimeInput): CheckResult {
  const byRequest = new Map(operations.map((one) => [one.requestId, one]));
  const witness: Record<string, unknown>[] = [];
  let [checked, answered, violations, toleranceUs, largestUs] = [0, 0, 0, 0, 0];
  for (const row of originUs === null ? [] : rows) {
    const operation = byRequest.get(row.requestId);
    if (operation === undefined || operation.sentUs < 0) continue;
    checked += 1;
    if (operation.status > 0) answered += 1;
    const allowedUs = toleranceOf(operation);
    toleranceUs = Math.max(toleranceUs, allowedUs);
    const { problem, outsideUs } = judgeTime(row, operation, originUs!, allowedUs);
    if (problem === null) {
      largestUs = Math.max(largestUs, outsideUs);
      continue;
    }
    violations += 1;
    if (witness.length < WITNESS_LIMIT)
      witness.push({ violation: problem, row, operation: withoutContent(operation) });
  }
  const gap =
    originUs === null
      ? "the time of the history's origin is not known"
      : answered === 0
        ? 'no record of an answered request was seen'
        : null;
  return concludeCheck({
    checked,
    violations,
    witness,
    gap: violations > 0 ? null : gap,
    figures: [
      {
        id: 'time-tolerance',
        label: 'detectable error of a time',
        value: checked === 0 ? null : toleranceUs,
        unit: 'us',
      },
      {
        id: 'time-outside',
        label: 'largest tolerated error of a time',
        value: checked === 0 ? null : largestUs,
        unit: 'us',
      },
    ],
  });
}

const toleranceOf = ({ doneUs }: OperationRecord) =>
  BASE_TOLERANCE_US + Math.ceil(MAX_SLEW * doneUs);

interface Judgement {
  readonly problem: string | null;
  /** Of the request, at least 0. */
  readonly outsideUs: number;
}

function judgeTime(
  { occurredAtUs, facts = {} }: FactRecord,
  { sentUs, doneUs, status }: OperationRecord,
  originUs: number,
  allowedUs: number,
): Judgement {
  const atUs = occurredAtUs - originUs;
  const { idMs, receivedAtUs } = facts;
  const earlyUs = sentUs - atUs;
  // Without an answer, the request may have been handled after the client gave up.
  const lateUs = status > 0 ? atUs - doneUs : 0;
  const afterReceiptUs = typeof receivedAtUs === 'number' ? occurredAtUs - receivedAtUs : 0;
  const outsideUs = Math.max(0, earlyUs, lateUs);
  // Negated, so that a time that is no number is a violation.
  const problem = !(earlyUs <= allowedUs)
    ? 'recorded with a time before its request was sent'
    : !(lateUs <= allowedUs)
      ? 'recorded with a time after its answer'
      : !(afterReceiptUs <= allowedUs)
        ? 'recorded with a time after the store received it'
        : typeof idMs === 'number' && idMs !== Math.floor(occurredAtUs / 1_000)
          ? 'the id of the event has another time'
          : null;
  return { problem, outsideUs };
}
