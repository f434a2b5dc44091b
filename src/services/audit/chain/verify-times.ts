/**
 * Compares four clocks of a record: the process (occurred), PostgreSQL (received), the order of transactions, and the
 * sequencer (sequenced). A row inserted today with last week's date passes every hash, but not this comparison.
 */
import type { AuditRecord } from '../contract.ts';
import { type Block, type LogPosition, positionOf } from './block.ts';
import { unixMicroseconds } from './encoding.ts';
import type { Findings } from './findings.ts';
import type { FindingKind } from './verification.ts';

export interface TimeLimits {
  readonly maxLateMs: number;
  readonly maxDisorderMs: number;
}

/** Called in the order of the log, for rows that match their hash or are in no block yet (`block` null). */
export type TimeCheck = (
  record: AuditRecord,
  where: { shard: number; sequence: bigint | null; block: bigint | null },
  block: Block | null,
) => void;

/** Largest difference between the clocks of processes, PostgreSQL and the sequencer that is no finding. */
const MAX_CLOCK_SKEW_US = 1_000_000;

export function createTimeCheck(findings: Findings, limits: TimeLimits): TimeCheck {
  const maxLateUs = limits.maxLateMs * 1_000;
  const maxDisorderUs = limits.maxDisorderMs * 1_000;
  let newestUs = Number.NEGATIVE_INFINITY;
  let cachedBlock: Block | null = null;
  let cachedSequencedUs = 0;

  function sequencedUs(block: Block | null): number {
    if (block === null) return Number.POSITIVE_INFINITY;
    if (block !== cachedBlock) {
      cachedBlock = block;
      try {
        cachedSequencedUs = unixMicroseconds(block.sequencedAt);
      } catch {
        cachedSequencedUs = Number.POSITIVE_INFINITY; // verify-blocks.ts has reported the invalid time.
      }
    }
    return cachedSequencedUs;
  }

  function findProblem(record: AuditRecord, block: Block | null): [FindingKind, string] | null {
    const occurred = unixMicroseconds(record.occurredAt);
    const received = unixMicroseconds(record.receivedAt);
    const sequenced = sequencedUs(block);
    const { occurredAt, receivedAt } = record;
    if (occurred > received + MAX_CLOCK_SKEW_US)
      return ['postdated', `occurred at ${occurredAt}, after it was received at ${receivedAt}`];
    if (received > sequenced + MAX_CLOCK_SKEW_US)
      return ['postdated', `received at ${receivedAt}, after it was sequenced`];
    if (received - occurred > maxLateUs)
      return ['backdated', `occurred at ${occurredAt}, but received only at ${receivedAt}`];
    if (received < newestUs - maxDisorderUs)
      return ['backdated', `received at ${receivedAt}, long before what it follows in the log`];
    newestUs = Math.max(newestUs, received);
    return null;
  }

  return (record, where, block) => {
    const problem = findProblem(record, block);
    if (!problem) return;
    const at: LogPosition = positionOf(record);
    const [kind, detail] = problem;
    findings.add({ kind, ...where, eventId: record.eventId, detail }, at);
  };
}
