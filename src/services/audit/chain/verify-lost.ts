/**
 * Members without a row, and rows without a place. At the end they are brought together: an event in both was moved or
 * changed; the others are missing or inserted. Neighbours that are missing are one finding with a count, and a month
 * of which nothing is left is named as such. Bounded: beyond `maxKept` only counted, by shard.
 */
import { isAfter, type Position } from './block.ts';
import type { Findings } from './findings.ts';

export interface Place {
  readonly shard: number;
  readonly sequence: bigint;
  /** Null: behind the last block of its shard. */
  readonly block: bigint | null;
  readonly eventId: string;
  readonly at: Position;
}

export interface Lost {
  /** Every member that must have a row. */
  member(occurredAtUs: number, present: boolean, place: () => Place): void;
  stray(place: Place): void;
  /** Reports; once, at the end. */
  settle(): void;
}

const maxKept = 20_000;

interface Month {
  members: number;
  missing: number;
  first: Place | null;
}

interface Run {
  readonly first: Place;
  count: number;
}

const dayUs = 86_400_000_000;

/** Months by day, because most members are of the day of the one before. */
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

/** Neighbours in a shard as one. */
function runsOf(missing: Iterable<Place>): Run[] {
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

function reportStray(findings: Findings, stray: Place, member: Place | undefined): void {
  const { at, ...where } = stray;
  if (!member) {
    const detail = 'the row is in no block, and it is not newer than them';
    findings.add({ kind: 'record-inserted', ...where, detail }, at);
    return;
  }
  const { at: memberAt, ...memberWhere } = member;
  const sameShard = stray.shard === member.shard;
  const kind = sameShard ? 'record-moved' : 'record-changed';
  const detail = sameShard
    ? `the row now lies with block ${stray.block ?? 'after the last'}`
    : `the row now belongs to shard ${stray.shard}`;
  findings.add({ kind, ...memberWhere, detail }, memberAt);
}

export function createLost(findings: Findings): Lost {
  const missing = new Map<string, Place>();
  const strays: Place[] = [];
  const beyond = new Map<number, Run>();
  const months = createMonths();

  const earlier = (a: Place | null, b: Place) => (a && !isAfter(a.at, b.at) ? a : b);

  return {
    member(occurredAtUs, present, place) {
      const month = months.of(occurredAtUs);
      month.members += 1;
      if (present) return;
      const found = place();
      month.missing += 1;
      month.first = earlier(month.first, found);
      if (missing.size < maxKept) {
        missing.set(found.eventId, found);
        return;
      }
      const run = beyond.get(found.shard);
      if (run) run.count += 1;
      else beyond.set(found.shard, { first: found, count: 1 });
    },

    stray(place) {
      if (strays.length < maxKept) strays.push(place);
      else reportStray(findings, place, undefined);
    },

    settle() {
      for (const stray of strays) {
        const member = missing.get(stray.eventId);
        missing.delete(stray.eventId);
        reportStray(findings, stray, member);
      }
      reportMissing(findings, runsOf(missing.values()));
      for (const { first, count } of beyond.values()) {
        const { at, ...where } = first;
        const detail = `no row for this record and ${count - 1} later ones of the shard`;
        findings.add({ kind: 'record-missing', ...where, count, detail }, at);
      }
      for (const [name, month] of months.all) {
        if (month.members !== month.missing || !month.first) continue;
        const { at, ...where } = month.first;
        const detail = `nothing is left of ${name}, and no retirement says why`;
        findings.add({ kind: 'partition-missing', ...where, count: month.missing, detail }, at);
      }
    },
  };
}
