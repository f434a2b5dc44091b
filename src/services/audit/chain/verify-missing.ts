/**
 * Collects members of blocks without a row, and orphans: rows without a member. At the end they are matched by event
 * id: an event in both lists was moved or changed; the others are missing or inserted. Adjacent missing members are one
 * finding with a count, and a month without any row is a finding of its own. Memory is bounded: above `maxListed`,
 * members are only counted by shard.
 */
import { isAfter, type LogPosition } from './block.ts';
import type { Findings } from './findings.ts';

export interface RecordLocation {
  readonly shard: number;
  readonly sequence: bigint;
  /** Null: behind the last block of its shard. */
  readonly block: bigint | null;
  readonly eventId: string;
  readonly at: LogPosition;
}

export interface MissingRecords {
  /** Called for every member that must have a row. */
  countMember(occurredAtUs: number, hasRow: boolean, locate: () => RecordLocation): void;
  addOrphan(location: RecordLocation): void;
  /** Once, at the end. */
  reportFindings(): void;
}

const MAX_LISTED = 20_000;

interface Month {
  members: number;
  missing: number;
  first: RecordLocation | null;
}

/** Adjacent members of a shard without rows. */
interface MissingRange {
  readonly first: RecordLocation;
  count: number;
}

const DAY_US = 86_400_000_000;

/** Counts by month. Caches the month of the last day, because most members have the same day as the previous one. */
function createMonthCounts() {
  const months = new Map<string, Month>();
  let day = Number.NaN;
  let month: Month = { members: 0, missing: 0, first: null };
  return {
    all: months,
    monthAt(us: number): Month {
      if (Math.floor(us / DAY_US) === day) return month;
      day = Math.floor(us / DAY_US);
      const date = new Date(day * 86_400_000);
      const name = Number.isNaN(date.getTime()) ? 'no month' : date.toISOString().slice(0, 7);
      month = months.get(name) ?? { members: 0, missing: 0, first: null };
      months.set(name, month);
      return month;
    },
  };
}

function reportMissing(findings: Findings, ranges: Iterable<MissingRange>): void {
  for (const { first, count } of ranges) {
    const { at, ...where } = first;
    const last = first.sequence + BigInt(count) - 1n;
    const detail =
      count === 1
        ? 'has no row'
        : `no row for ${count} records, sequence ${first.sequence} to ${last}`;
    findings.add({ kind: 'record-missing', ...where, ...(count > 1 && { count }), detail }, at);
  }
}

/** `missing` is in the order of each shard's sequence. */
function toRanges(missing: Iterable<RecordLocation>): MissingRange[] {
  const ranges: MissingRange[] = [];
  const lastRanges = new Map<number, MissingRange>();
  for (const location of missing) {
    const range = lastRanges.get(location.shard);
    if (range && range.first.sequence + BigInt(range.count) === location.sequence) range.count += 1;
    else {
      const started: MissingRange = { first: location, count: 1 };
      lastRanges.set(location.shard, started);
      ranges.push(started);
    }
  }
  return ranges;
}

function reportOrphan(
  findings: Findings,
  orphan: RecordLocation,
  member: RecordLocation | undefined,
): void {
  const { at, ...where } = orphan;
  if (!member) {
    const detail = 'the row is in no block, and is not newer than the blocks';
    findings.add({ kind: 'record-inserted', ...where, detail }, at);
    return;
  }
  const { at: memberAt, ...memberWhere } = member;
  const isSameShard = orphan.shard === member.shard;
  const kind = isSameShard ? 'record-moved' : 'record-changed';
  const detail = isSameShard
    ? `the row is now at block ${orphan.block ?? 'after the last'}`
    : `the row now belongs to shard ${orphan.shard}`;
  findings.add({ kind, ...memberWhere, detail }, memberAt);
}

export function createMissingRecords(findings: Findings): MissingRecords {
  const missing = new Map<string, RecordLocation>();
  const orphans: RecordLocation[] = [];
  /** By shard: members beyond `maxListed`, adjacent or not. */
  const overflow = new Map<number, MissingRange>();
  const months = createMonthCounts();

  const earliest = (a: RecordLocation | null, b: RecordLocation) =>
    a && !isAfter(a.at, b.at) ? a : b;

  return {
    countMember(occurredAtUs, hasRow, locate) {
      const month = months.monthAt(occurredAtUs);
      month.members += 1;
      if (hasRow) return;
      const location = locate();
      month.missing += 1;
      month.first = earliest(month.first, location);
      if (missing.size < MAX_LISTED) {
        missing.set(location.eventId, location);
        return;
      }
      const range = overflow.get(location.shard);
      if (range) range.count += 1;
      else overflow.set(location.shard, { first: location, count: 1 });
    },

    addOrphan(location) {
      if (orphans.length < MAX_LISTED) orphans.push(location);
      else reportOrphan(findings, location, undefined);
    },

    reportFindings() {
      for (const orphan of orphans) {
        const member = missing.get(orphan.eventId);
        missing.delete(orphan.eventId);
        reportOrphan(findings, orphan, member);
      }
      reportMissing(findings, toRanges(missing.values()));
      for (const { first, count } of overflow.values()) {
        const { at, ...where } = first;
        const detail = `no row for this record and ${count - 1} later ones of the shard`;
        findings.add({ kind: 'record-missing', ...where, count, detail }, at);
      }
      for (const [name, month] of months.all) {
        if (month.members !== month.missing || !month.first) continue;
        const { at, ...where } = month.first;
        const detail = `no record of ${name} is left, and no retirement explains it`;
        findings.add({ kind: 'partition-missing', ...where, count: month.missing, detail }, at);
      }
    },
  };
}
