/**
 * Merges the records of the database and of the archives into one stream in the order (xid, id). The records of a
 * partition that was archived and attached again are in both; of two at one position the archive's is skipped.
 */
import type { AuditRecord } from '../contract.ts';
import { isAfter, type LogPosition, positionOf } from './block.ts';

/** A stream and its current record. */
interface StreamCursor {
  readonly iterator: AsyncIterator<AuditRecord>;
  record: AuditRecord;
  position: LogPosition;
}

/** False at the end of the stream. */
async function advance(cursor: StreamCursor): Promise<boolean> {
  const { value, done } = await cursor.iterator.next();
  if (done) return false;
  cursor.record = value;
  cursor.position = positionOf(value);
  return true;
}

/** Every stream is in the order (xid, id); the first is the database's. */
export async function* mergeRecords(
  streams: readonly AsyncIterable<AuditRecord>[],
): AsyncGenerator<AuditRecord> {
  if (streams.length === 1) {
    yield* streams[0]!;
    return;
  }
  const cursors: StreamCursor[] = [];
  for (const stream of streams) {
    const iterator = stream[Symbol.asyncIterator]();
    // `advance` sets record and position.
    const cursor: StreamCursor = {
      iterator,
      record: {} as AuditRecord,
      position: { xid: 0n, id: 0n },
    };
    if (await advance(cursor)) cursors.push(cursor);
  }
  let previous: LogPosition = { xid: -1n, id: -1n };
  while (cursors.length > 0) {
    // At equal positions the first stream's record, the database's, comes first.
    let earliest = cursors[0]!;
    for (const cursor of cursors)
      if (isAfter(earliest.position, cursor.position)) earliest = cursor;
    const { record, position } = earliest;
    const isDuplicate = position.xid === previous.xid && position.id === previous.id;
    if (!isDuplicate) yield record;
    previous = position;
    if (!(await advance(earliest))) cursors.splice(cursors.indexOf(earliest), 1);
  }
}
