/**
 * The live log and the archives as one stream in the order (xid, id). A partition may have been attached again and be
 * in both: then its archive's copy is left out.
 */
import type { AuditRecord } from '../contract.ts';
import { isAfter, type Position, positionOf } from './block.ts';

interface Head {
  readonly iterator: AsyncIterator<AuditRecord>;
  record: AuditRecord;
  at: Position;
}

async function advance(head: Head): Promise<boolean> {
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
  const heads: Head[] = [];
  for (const stream of streams) {
    const iterator = stream[Symbol.asyncIterator]();
    const head: Head = { iterator, record: {} as AuditRecord, at: { xid: 0n, id: 0n } };
    if (await advance(head)) heads.push(head);
  }
  let last: Position = { xid: -1n, id: -1n };
  while (heads.length > 0) {
    let least = heads[0]!;
    for (const head of heads) if (isAfter(least.at, head.at)) least = head;
    const isCopy = least.at.xid === last.xid && least.at.id === last.id;
    if (!isCopy) yield least.record;
    last = least.at;
    if (!(await advance(least))) heads.splice(heads.indexOf(least), 1);
  }
}
