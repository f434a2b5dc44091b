/**
 * Compares every row with the chain. Rows are read in the order of the chain, so each shard needs only its current
 * block: a row that equals the next member costs one hash and one comparison; any other row is looked up by event id
 * among the members of the block. A member without a row whose row is in another block is one record that was moved.
 */
import type { AuditRecord } from '../contract.ts';
import {
  type Block,
  eventIdAt,
  isAfter,
  type LogPosition,
  leafOffset,
  MEMBER_BYTES,
  occurredUsAt,
  positionOf,
  shardOf,
} from './block.ts';
import { EncodingError, writeMember } from './encoding.ts';
import type { Findings } from './findings.ts';
import {
  type BlockMismatches,
  createMismatches,
  locationIn,
  memberCount,
  memberOf,
  openNextBlock,
  type ShardCursor,
} from './shard-cursor.ts';
import type { FindingKind } from './verification.ts';
import type { MissingRecords } from './verify-missing.ts';
import type { Retention } from './verify-retention.ts';
import type { TimeCheck } from './verify-times.ts';

/** Whether a row equals the expected member; both as `writeMember` writes them. */
export type MemberComparison = (member: Buffer, rowBytes: Buffer) => boolean;

export const haveSameBytes: MemberComparison = (member, row) => member.equals(row);

export interface RecordCheck {
  readonly blocks: ReadonlyMap<number, AsyncIterable<Block>>;
  readonly records: AsyncIterable<AuditRecord>;
  readonly shards: number;
  /** The end of the newest block of all shards; a row behind it is not sequenced yet. */
  readonly end: LogPosition | null;
  readonly findings: Findings;
  readonly missing: MissingRecords;
  readonly retention: Retention;
  readonly checkTimes: TimeCheck;
  readonly isSameMember: MemberComparison;
}

const hasLeafOf = (member: Buffer, row: Buffer): boolean =>
  member.compare(row, leafOffset, MEMBER_BYTES, leafOffset) === 0;

const MAX_ORPHANS_PER_BLOCK = 10_000;

/** Reused for every row. */
const rowBytes = Buffer.alloc(MEMBER_BYTES);

/** Fills `rowBytes`. Returns the reason when the record has no canonical encoding, else null. */
function encodeRow(record: AuditRecord): string | null {
  try {
    writeMember(record, rowBytes, 0);
    return null;
  } catch (error) {
    if (error instanceof EncodingError) return error.message;
    throw error;
  }
}

function acceptRow(
  check: RecordCheck,
  cursor: ShardCursor,
  record: AuditRecord,
  index: number,
): void {
  const block = cursor.block!;
  const sequence = block.firstSequence + BigInt(index);
  check.checkTimes(record, { shard: cursor.shard, sequence, block: block.number }, block);
  check.retention.observeRecord(record);
  cursor.highestMatchedIndex = Math.max(cursor.highestMatchedIndex, index);
  cursor.nextIndex = index + 1;
}

function matchRow(check: RecordCheck, cursor: ShardCursor, record: AuditRecord): void {
  const block = cursor.block!;
  const encodingError = encodeRow(record);
  const isNext =
    encodingError === null &&
    cursor.mismatches === null &&
    cursor.nextIndex < memberCount(block) &&
    check.isSameMember(memberOf(block, cursor.nextIndex), rowBytes);
  if (isNext) acceptRow(check, cursor, record, cursor.nextIndex);
  else matchOutOfOrder(check, cursor, record, encodingError);
}

function matchOutOfOrder(
  check: RecordCheck,
  cursor: ShardCursor,
  record: AuditRecord,
  encodingError: string | null,
): void {
  const block = cursor.block!;
  cursor.mismatches ??= createMismatches(cursor, block);
  const { indexByEventId, isMatched, changed, orphans } = cursor.mismatches;
  const { eventId } = record;
  const rowIndex = cursor.nextIndex;
  const isUnmatched =
    encodingError === null && rowIndex < memberCount(block) && !isMatched[rowIndex];
  if (
    isUnmatched &&
    hasLeafOf(memberOf(block, rowIndex), rowBytes) &&
    !check.isSameMember(memberOf(block, rowIndex), rowBytes)
  ) {
    isMatched[rowIndex] = true;
    reportChangedMember(check, cursor, rowIndex);
    acceptRow(check, cursor, record, rowIndex);
    return;
  }
  const index = indexByEventId.get(eventId);
  if (index === undefined || isMatched[index]) {
    if (orphans.length < MAX_ORPHANS_PER_BLOCK) orphans.push({ rowIndex, eventId });
    else check.missing.addOrphan({ ...locationIn(cursor, block, rowIndex), eventId });
    return;
  }
  isMatched[index] = true;
  if (encodingError === null && check.isSameMember(memberOf(block, index), rowBytes)) {
    if (index < cursor.highestMatchedIndex) {
      const { at, ...where } = locationIn(cursor, block, index);
      const detail = 'the members of the block are not in the order of their rows';
      check.findings.add({ kind: 'record-moved', ...where, eventId, detail }, at);
    }
    acceptRow(check, cursor, record, index);
    return;
  }
  const detail = encodingError ?? 'the row is not what was hashed';
  changed.push({ index, rowIndex, eventId, detail });
  cursor.nextIndex += 1;
}

function reportChangedMember(check: RecordCheck, cursor: ShardCursor, index: number): void {
  const { at, ...where } = locationIn(cursor, cursor.block!, index);
  const eventId = eventIdAt(cursor.block!.members, index);
  const detail = 'the block names another event or time for it than the record has';
  check.findings.add({ kind: 'member-changed', ...where, eventId, detail }, at);
}

function reportMismatches(
  check: RecordCheck,
  cursor: ShardCursor,
  mismatches: BlockMismatches,
): void {
  const block = cursor.block!;
  const add = (kind: FindingKind, index: number, eventId: string, detail: string) => {
    const { at, ...where } = locationIn(cursor, block, index);
    check.findings.add({ kind, ...where, eventId, detail }, at);
  };
  for (const { index, rowIndex, eventId, detail } of mismatches.changed) {
    // The row was read at the place of another member that has a row as well: two rows were swapped.
    const isMoved = index !== rowIndex && mismatches.isMatched[rowIndex] === true;
    add(isMoved ? 'record-moved' : 'record-changed', index, eventId, detail);
  }
  for (const { rowIndex, eventId } of mismatches.orphans) {
    if (rowIndex >= memberCount(block) || mismatches.isMatched[rowIndex]) {
      check.missing.addOrphan({ ...locationIn(cursor, block, rowIndex), eventId });
      continue;
    }
    mismatches.isMatched[rowIndex] = true;
    const replacedId = eventIdAt(block.members, rowIndex);
    add('record-changed', rowIndex, replacedId, `the row here is another event, ${eventId}`);
  }
}

/** Called when every row of the block has been read. */
function closeBlock(check: RecordCheck, cursor: ShardCursor): void {
  const block = cursor.block!;
  const { mismatches } = cursor;
  if (mismatches) reportMismatches(check, cursor, mismatches);
  for (let index = 0; index < memberCount(block); index += 1) {
    const us = occurredUsAt(block.members, index);
    const hasRow = mismatches ? mismatches.isMatched[index]! : index < cursor.nextIndex;
    const locate = () => ({
      ...locationIn(cursor, block, index),
      eventId: eventIdAt(block.members, index),
    });
    if (!check.retention.countMember(us, hasRow, locate))
      check.missing.countMember(us, hasRow, locate);
  }
  cursor.lastSequence = block.firstSequence + BigInt(memberCount(block)) - 1n;
}

/**
 * A row behind the last block of its shard. True when it is newer than the blocks of all shards; else it is an orphan.
 */
function handleUnsequenced(
  check: RecordCheck,
  cursor: ShardCursor | undefined,
  record: AuditRecord,
): boolean {
  const at = positionOf(record);
  const shard = cursor?.shard ?? shardOf(record.organisationId, check.shards);
  if (check.end === null || isAfter(at, check.end)) {
    if (encodeRow(record) === null)
      check.checkTimes(record, { shard, sequence: null, block: null }, null);
    return true;
  }
  const sequence = (cursor?.lastSequence ?? 0n) + 1n;
  check.missing.addOrphan({ shard, sequence, block: null, eventId: record.eventId, at });
  return false;
}

async function matchAllRows(check: RecordCheck, cursors: ReadonlyMap<number, ShardCursor>) {
  let records = 0;
  let notSequenced = 0;
  for (const cursor of cursors.values()) await openNextBlock(cursor);
  for await (const record of check.records) {
    const cursor = cursors.get(shardOf(record.organisationId, check.shards));
    const at = positionOf(record);
    while (cursor?.block && isAfter(at, cursor.end)) {
      closeBlock(check, cursor);
      await openNextBlock(cursor);
    }
    if (cursor?.block) {
      matchRow(check, cursor, record);
      records += 1;
    } else if (handleUnsequenced(check, cursor, record)) notSequenced += 1;
    else records += 1;
  }
  for (const cursor of cursors.values())
    while (cursor.block) {
      closeBlock(check, cursor);
      await openNextBlock(cursor);
    }
  return { records, notSequenced };
}

export async function verifyRecords(check: RecordCheck) {
  const cursors = new Map<number, ShardCursor>();
  for (const [shard, blocks] of check.blocks)
    cursors.set(shard, {
      shard,
      iterator: blocks[Symbol.asyncIterator](),
      block: null,
      end: { xid: -1n, id: -1n },
      nextIndex: 0,
      highestMatchedIndex: -1,
      mismatches: null,
      lastSequence: 0n,
    });
  try {
    return await matchAllRows(check, cursors);
  } finally {
    for (const { iterator } of cursors.values()) await iterator.return?.();
  }
}
