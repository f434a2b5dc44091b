/**
 * Every row against the place the chain gives it. Rows come in the order of the chain, so each shard needs only its
 * present block: a row that is the next member costs one hash and one comparison; anything else is looked up among the
 * members of the block. What is missing from one block and turns up in another is one record that was moved.
 */
import type { AuditRecord } from '../contract.ts';
import {
  type Block,
  endOf,
  eventIdAt,
  isAfter,
  memberBytes,
  occurredAt,
  type Position,
  positionOf,
  shardOf,
} from './block.ts';
import { EncodingError, writeMember } from './encoding.ts';
import type { Findings } from './findings.ts';
import type { FindingKind } from './verification.ts';
import type { Lost, Place } from './verify-lost.ts';
import type { Retention } from './verify-retention.ts';
import type { TimeCheck } from './verify-times.ts';

/** Whether a row is the member it should be; both as `writeMember` writes them. */
export type SameMember = (member: Buffer, row: Buffer) => boolean;

export const sameBytes: SameMember = (member, row) => member.equals(row);

export interface RecordCheck {
  readonly blocks: ReadonlyMap<number, AsyncIterable<Block>>;
  readonly records: AsyncIterable<AuditRecord>;
  readonly shards: number;
  /** The end of the newest block of all shards; a row behind it is not sequenced yet. */
  readonly end: Position | null;
  readonly findings: Findings;
  readonly lost: Lost;
  readonly retention: Retention;
  readonly checkTimes: TimeCheck;
  readonly same: SameMember;
}

/** The present block of a shard and how far its members were met. */
interface Window {
  readonly shard: number;
  readonly iterator: AsyncIterator<Block>;
  block: Block | null;
  end: Position;
  /** Place of the member expected next, and of the last one met in order. */
  next: number;
  met: number;
  /** Set once rows and members part ways. */
  odd: Odd | null;
  lastSequence: bigint;
}

interface Odd {
  readonly places: ReadonlyMap<string, number>;
  readonly seen: boolean[];
  /** Members whose row differs, and the place where the row was met. */
  readonly changed: { place: number; metAt: number; eventId: string; detail: string }[];
  /** Rows that are no member of the block. */
  readonly strays: { metAt: number; eventId: string }[];
}

const maxStraysOfBlock = 10_000;

const memberOf = (block: Block, place: number): Buffer =>
  block.members.subarray(place * memberBytes, (place + 1) * memberBytes);

/** Not what the block says of itself: that may be a lie, and the walk has said so. */
const sizeOf = (block: Block): number => Math.floor(block.members.length / memberBytes);

const hasLeafOf = (member: Buffer, row: Buffer): boolean => member.compare(row, 24, 56, 24) === 0;

function placeIn(window: Window, block: Block, place: number): Omit<Place, 'eventId'> {
  const sequence = block.firstSequence + BigInt(place);
  return { shard: window.shard, sequence, block: block.number, at: endOf(block) };
}

async function open(window: Window): Promise<void> {
  const { value, done } = await window.iterator.next();
  window.block = done ? null : value;
  window.next = 0;
  window.met = -1;
  window.odd = null;
  if (window.block) window.end = endOf(window.block);
}

function partWays(window: Window, block: Block): Odd {
  const places = new Map<string, number>();
  for (let place = 0; place < sizeOf(block); place += 1)
    places.set(eventIdAt(block.members, place), place);
  const seen = Array.from({ length: sizeOf(block) }, (_, place) => place < window.next);
  return { places, seen, changed: [], strays: [] };
}

const row = Buffer.alloc(memberBytes);

/** Null, or why the record has no canonical bytes. */
function writeRow(record: AuditRecord): string | null {
  try {
    writeMember(record, row, 0);
    return null;
  } catch (error) {
    if (error instanceof EncodingError) return error.message;
    throw error;
  }
}

function accept(check: RecordCheck, window: Window, record: AuditRecord, place: number): void {
  const block = window.block!;
  const sequence = block.firstSequence + BigInt(place);
  check.checkTimes(record, { shard: window.shard, sequence, block: block.number }, block);
  check.retention.event(record);
  window.met = Math.max(window.met, place);
  window.next = place + 1;
}

function meet(check: RecordCheck, window: Window, record: AuditRecord): void {
  const block = window.block!;
  const unwritable = writeRow(record);
  const isNext =
    unwritable === null &&
    window.odd === null &&
    window.next < sizeOf(block) &&
    check.same(memberOf(block, window.next), row);
  if (isNext) accept(check, window, record, window.next);
  else meetOdd(check, window, record, unwritable);
}

function meetOdd(
  check: RecordCheck,
  window: Window,
  record: AuditRecord,
  unwritable: string | null,
): void {
  const block = window.block!;
  window.odd ??= partWays(window, block);
  const { places, seen, changed, strays } = window.odd;
  const { eventId } = record;
  const metAt = window.next;
  const isHere = unwritable === null && metAt < sizeOf(block) && !seen[metAt];
  if (
    isHere &&
    hasLeafOf(memberOf(block, metAt), row) &&
    !check.same(memberOf(block, metAt), row)
  ) {
    seen[metAt] = true;
    reportMember(check, window, metAt);
    accept(check, window, record, metAt);
    return;
  }
  const place = places.get(eventId);
  if (place === undefined || seen[place]) {
    if (strays.length < maxStraysOfBlock) strays.push({ metAt, eventId });
    else check.lost.stray({ ...placeIn(window, block, metAt), eventId });
    return;
  }
  seen[place] = true;
  if (unwritable === null && check.same(memberOf(block, place), row)) {
    if (place < window.met) {
      const { at, ...where } = placeIn(window, block, place);
      const detail = 'the members of the block are not in the order of their rows';
      check.findings.add({ kind: 'record-moved', ...where, eventId, detail }, at);
    }
    accept(check, window, record, place);
    return;
  }
  const detail = unwritable ?? 'the row is not what was hashed';
  changed.push({ place, metAt, eventId, detail });
  window.next += 1;
}

function reportMember(check: RecordCheck, window: Window, place: number): void {
  const { at, ...where } = placeIn(window, window.block!, place);
  const eventId = eventIdAt(window.block!.members, place);
  const detail = 'the block names another event or time for it than the record has';
  check.findings.add({ kind: 'member-changed', ...where, eventId, detail }, at);
}

function reportOdd(check: RecordCheck, window: Window, odd: Odd): void {
  const block = window.block!;
  const add = (kind: FindingKind, place: number, eventId: string, detail: string) => {
    const { at, ...where } = placeIn(window, block, place);
    check.findings.add({ kind, ...where, eventId, detail }, at);
  };
  for (const { place, metAt, eventId, detail } of odd.changed) {
    // Met where another member belongs that is there as well: they changed places.
    const moved = place !== metAt && odd.seen[metAt] === true;
    add(moved ? 'record-moved' : 'record-changed', place, eventId, detail);
  }
  for (const { metAt, eventId } of odd.strays) {
    if (metAt >= sizeOf(block) || odd.seen[metAt]) {
      check.lost.stray({ ...placeIn(window, block, metAt), eventId });
      continue;
    }
    odd.seen[metAt] = true;
    const was = eventIdAt(block.members, metAt);
    add('record-changed', metAt, was, `the row here is another event, ${eventId}`);
  }
}

/** Every row of the block has been met. */
function close(check: RecordCheck, window: Window): void {
  const block = window.block!;
  const { odd } = window;
  if (odd) reportOdd(check, window, odd);
  for (let index = 0; index < sizeOf(block); index += 1) {
    const us = occurredAt(block.members, index);
    const present = odd ? odd.seen[index]! : index < window.next;
    const place = () => ({
      ...placeIn(window, block, index),
      eventId: eventIdAt(block.members, index),
    });
    if (!check.retention.member(us, present, place)) check.lost.member(us, present, place);
  }
  window.lastSequence = block.firstSequence + BigInt(sizeOf(block)) - 1n;
}

/** A row behind the last block of its shard. */
function meetBehind(check: RecordCheck, window: Window | undefined, record: AuditRecord): boolean {
  const at = positionOf(record);
  const shard = window?.shard ?? shardOf(record.organisationId, check.shards);
  if (check.end === null || isAfter(at, check.end)) {
    if (writeRow(record) === null)
      check.checkTimes(record, { shard, sequence: null, block: null }, null);
    return true;
  }
  const sequence = (window?.lastSequence ?? 0n) + 1n;
  check.lost.stray({ shard, sequence, block: null, eventId: record.eventId, at });
  return false;
}

async function meetAll(check: RecordCheck, windows: ReadonlyMap<number, Window>) {
  let records = 0;
  let notSequenced = 0;
  for (const window of windows.values()) await open(window);
  for await (const record of check.records) {
    const window = windows.get(shardOf(record.organisationId, check.shards));
    const at = positionOf(record);
    while (window?.block && isAfter(at, window.end)) {
      close(check, window);
      await open(window);
    }
    if (window?.block) {
      meet(check, window, record);
      records += 1;
    } else if (meetBehind(check, window, record)) notSequenced += 1;
    else records += 1;
  }
  for (const window of windows.values())
    while (window.block) {
      close(check, window);
      await open(window);
    }
  return { records, notSequenced };
}

export async function verifyRecords(check: RecordCheck) {
  const windows = new Map<number, Window>();
  for (const [shard, blocks] of check.blocks)
    windows.set(shard, {
      shard,
      iterator: blocks[Symbol.asyncIterator](),
      block: null,
      end: { xid: -1n, id: -1n },
      next: 0,
      met: -1,
      odd: null,
      lastSequence: 0n,
    });
  try {
    return await meetAll(check, windows);
  } finally {
    for (const { iterator } of windows.values()) await iterator.return?.();
  }
}
