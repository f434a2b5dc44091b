/**
 * Members without a row, and orphans: rows without a member. At the end they are matched by event id: an event in both
 * was moved or changed; the others are missing or inserted. Adjacent missing members are one finding with a count, and a
 * month without any row is a finding of its own. Bounded memory: above `maxListed`, members are only counted by shard.
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

const maxListed = 20_000;

interface Month {
  members: number;
  missing: number;
  first: RecordLocation | null;
}

interface Run {
  readonly first: RecordLocation;
  count: number;
}

const dayUs = 86_400_000_000;

/** Caches the month of the last day: most members have the same day as the previous one. */
function createMonths() {
  const months = new Map<string, Month>();
  let day = Number.NaN;
  let month: Month = { members: 0, missing: 0, first: null };
  return {
    all: months,
    of(us: number): Month {
      if (Math.floor(us / dayUs) === day) return month;
      day = Math.floor(us / dayUs);
      const date = new Date(day * 86_400_000);
      const name = Number.isNaN(date.getTime()) ? 'no month' : date.toISOString().slice(0, 7);
      month = months.get(name) ?? { members: 0, missing: 0, first: null };
      months.set(name, month);
      return month;
    },
  };
}

function reportMissing(findings: Findings, runs: Iterable<Run>): void {
  for (const { first, count } of runs) {
    const { at, ...where } = first;
    const last = first.sequence + BigInt(count) - 1n;
    const detail =
      count === 1
        ? 'has no row'
        : `no row for ${count} records, sequence ${first.sequence} to ${last}`;
    findings.add({ kind: 'record-missing', ...where, ...(count > 1 && { count }), detail }, at);
  }
}

/** Adjacent records of a shard as one run. */
function runsOf(missing: Iterable<RecordLocation>): Run[] {
  const runs: Run[] = [];
  const open = new Map<number, Run>();
  for (const place of missing) {
    const run = open.get(place.shard);
    if (run && run.first.sequence + BigInt(run.count) === place.sequence) run.count += 1;
    else {
      const started: Run = { first: place, count: 1 };
      open.set(place.shard, started);
      runs.push(started);
    }
  }
  return runs;
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
  const sameShard = orphan.shard === member.shard;
  const kind = sameShard ? 'record-moved' : 'record-changed';
  const detail = sameShard
    ? `the row is now at block ${orphan.block ?? 'after the last'}`
    : `the row now belongs to shard ${orphan.shard}`;
  findings.add({ kind, ...memberWhere, detail }, memberAt);
}

export function createMissingRecords(findings: Findings): MissingRecords {
  const missing = new Map<string, RecordLocation>();
  const orphans: RecordLocation[] = [];
  const overflow = new Map<number, Run>();
  const months = createMonths();

  const earliest = (a: RecordLocation | null, b: RecordLocation) =>
    a && !isAfter(a.at, b.at) ? a : b;

  return {
    countMember(occurredAtUs, hasRow, locate) {
      const month = months.of(occurredAtUs);
      month.members += 1;
      if (hasRow) return;
      const location = locate();
      month.missing += 1;
      month.first = earliest(month.first, location);
      if (missing.size < maxListed) {
        missing.set(location.eventId, location);
        return;
      }
      const run = overflow.get(location.shard);
      if (run) run.count += 1;
      else overflow.set(location.shard, { first: location, count: 1 });
    },

    addOrphan(location) {
      if (orphans.length < maxListed) orphans.push(location);
      else reportOrphan(findings, location, undefined);
    },

    reportFindings() {
      for (const orphan of orphans) {
        const member = missing.get(orphan.eventId);
        missing.delete(orphan.eventId);
        reportOrphan(findings, orphan, member);
      }
      reportMissing(findings, runsOf(missing.values()));
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
