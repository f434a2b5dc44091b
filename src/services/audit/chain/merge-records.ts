/**
 * Merges the live log and the archives into one stream in the order (xid, id). A partition that was attached again is
 * in both; then the copy from the archive is skipped.
 */
import type { AuditRecord } from '../contract.ts';
import { isAfter, type LogPosition, positionOf } from './block.ts';

interface StreamHead {
  readonly iterator: AsyncIterator<AuditRecord>;
  record: AuditRecord;
  at: LogPosition;
}

async function advance(head: StreamHead): Promise<boolean> {
  const { value, done } = await head.iterator.next();
  if (done) return false;
  head.record = value;
  head.at = positionOf(value);
  return true;
}

/** The first of `streams` is the live one. */
export async function* mergeRecords(
  streams: readonly AsyncIterable<AuditRecord>[],
): AsyncGenerator<AuditRecord> {
  if (streams.length === 1) {
    yield* streams[0]!;
    return;
  }
  const heads: StreamHead[] = [];
  for (const stream of streams) {
    const iterator = stream[Symbol.asyncIterator]();
    const head: StreamHead = { iterator, record: {} as AuditRecord, at: { xid: 0n, id: 0n } };
    if (await advance(head)) heads.push(head);
  }
  let last: LogPosition = { xid: -1n, id: -1n };
  while (heads.length > 0) {
    let least = heads[0]!;
    for (const head of heads) if (isAfter(least.at, head.at)) least = head;
    const isCopy = least.at.xid === last.xid && least.at.id === last.id;
    if (!isCopy) yield least.record;
    last = least.at;
    if (!(await advance(least))) heads.splice(heads.indexOf(least), 1);
  }
}
