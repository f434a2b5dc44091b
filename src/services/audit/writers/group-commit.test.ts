import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findDesign } from '../../lineage.ts';
import type { AuditEvent } from '../contract.ts';
import { createGroupCommit } from './group-commit.ts';
import type { AuditInsert } from './insert.ts';
import { type LocalLog, openLocalLog } from './local-log.ts';

// The test decides when each flush of this store ends, and how.
const { writer } = findDesign('turn4.after').audit;
if (writer.kind !== 'group-commit') throw new Error('turn4.after writes in groups');
const design = {
  ...writer,
  maxBatch: 3,
  maxInFlight: 2,
  queuedPerFlush: 0,
  maxQueued: 4,
  retryForMs: 1_000,
};
const observer = { onFlush() {}, onSequenced() {}, onSpill() {}, onCacheRead() {} };
const clock = { nowUs: () => performance.now() * 1_000 };

interface Flush {
  readonly ids: string[];
  finish(): void;
  fail(error: Error): void;
}

function heldStore(localLog: LocalLog | null = null, given = design) {
  const flushes: Flush[] = [];
  const insert: AuditInsert = {
    many: (events) =>
      new Promise((resolve, reject) => {
        const ids = events.map(({ eventId }) => eventId);
        flushes.push({ ids, finish: resolve, fail: reject });
      }),
    inTransaction: async () => {},
    ping: async () => {},
  };
  const reports: Error[] = [];
  const report = (error: Error) => void reports.push(error);
  const writer = createGroupCommit({
    insert,
    clock,
    design: given,
    observer,
    report,
    localLog,
  });
  return { flushes, reports, writer };
}

const event = (eventId: string): AuditEvent => ({
  eventId,
  occurredAt: '2026-11-21T03:23:15.000000Z',
  organisationId: '1',
  userId: '1',
  sessionHash: null,
  keyId: null,
  agent: null,
  action: 'a',
  resourceType: 'r',
  resourceId: null,
  outcome: 'success',
  reason: null,
  requestId: 'q',
  clientRequestId: null,
  region: 'us',
  service: 'test',
  change: null,
  personal: { ip: null, userAgent: null },
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('group commit', () => {
  it('flushes at once when idle, and all queued events when a flush ends', async () => {
    const { flushes, writer } = heldStore();
    const records = [writer.record(event('1'))];
    await turn();
    records.push(writer.record(event('2')));
    await turn();
    records.push(writer.record(event('3')), writer.record(event('4')));
    await turn();
    expect(flushes.map(({ ids }) => ids)).toEqual([['1'], ['2']]);
    expect(writer.depth()).toBe(4);
    flushes[0]!.finish();
    await turn();
    expect(flushes[2]!.ids).toEqual(['3', '4']);
    for (const flush of flushes) flush.finish();
    await Promise.all(records);
    expect(writer.depth()).toBe(0);
  });

  it('starts a concurrent flush only when enough events are queued', async () => {
    const { flushes, writer } = heldStore(null, {
      ...design,
      maxInFlight: 3,
      queuedPerFlush: 2,
      maxQueued: 20,
      maxBatch: 20,
    });
    const ids = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
    const records: Promise<void>[] = [];
    const come = async (from: number, to: number) => {
      records.push(...ids(from, to).map((id) => writer.record(event(id))));
      await turn();
    };
    await come(1, 1);
    await come(2, 3);
    expect(flushes).toHaveLength(1);
    await come(4, 4);
    expect(flushes[1]!.ids).toEqual(['2', '3', '4']);
    // A third flush needs more than twice as many.
    await come(5, 8);
    expect(flushes).toHaveLength(2);
    flushes[0]!.finish();
    await turn();
    expect(flushes[2]!.ids).toEqual(['5', '6', '7', '8']);
    for (const flush of flushes) flush.finish();
    await Promise.all(records);
    expect(writer.depth()).toBe(0);
  });

  it('starts flushes beside one that has failed or does not answer', async () => {
    const { flushes, writer } = heldStore(null, { ...design, maxInFlight: 3, queuedPerFlush: 16 });
    const records = [writer.record(event('1'))];
    await turn();
    flushes[0]!.fail(Object.assign(new Error('gone'), { code: '57P01' }));
    await turn();
    records.push(writer.record(event('2')));
    await turn();
    expect(flushes[1]!.ids).toEqual(['2']);
    records.push(writer.record(event('3')));
    await turn();
    const fresh = () => flushes.find(({ ids }) => ids.includes('3'));
    expect(fresh()).toBe(undefined);
    while (!fresh()) await turn();
    while (flushes.length < 4) await turn();
    for (const flush of flushes) flush.finish();
    await Promise.all(records);
  });

  it('does not count an event as committed that an earlier attempt spilled to the local log', async () => {
    const appended: (() => void)[] = [];
    const slow = {
      eventCount: () => 0,
      append: () => new Promise<void>((resolve) => appended.push(resolve)),
      drain: async () => {},
      close: async () => {},
    };
    const { flushes, writer } = heldStore(slow as unknown as LocalLog);
    let answered = false;
    const waiting = writer.record(event('1'), { allowLocalLog: true }).then(() => {
      answered = true;
    });
    const other = writer.record(event('2'));
    await turn();
    flushes[0]!.fail(Object.assign(new Error('gone'), { code: '57P01' }));
    while (flushes.length < 2) await turn();
    expect(flushes[1]!.ids).toEqual(['2']);
    flushes[1]!.finish();
    await other;
    await turn();
    // Not on disk yet, and not committed.
    expect(answered).toBe(false);
    appended[0]!();
    await waiting;
    await writer.close();
  });

  it('rejects events when the queue is full', async () => {
    const { flushes, writer } = heldStore();
    const fill = ['1', '2'].map((id) => {
      const record = writer.record(event(id));
      return turn().then(() => record);
    });
    await turn();
    await turn();
    const waiting = ['3', '4', '5', '6'].map((id) => writer.record(event(id)));
    await expect(writer.record(event('7'))).rejects.toMatchObject({ code: 'audit-unavailable' });
    const closed = writer.close();
    while (writer.depth() > 0) {
      for (const flush of flushes) flush.finish();
      await turn();
    }
    await Promise.all([...fill, ...waiting, closed]);
    expect(flushes.flatMap(({ ids }) => ids).sort()).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  it('sends the same events again after a lost connection', async () => {
    const { flushes, writer } = heldStore();
    const record = writer.record(event('1'));
    await turn();
    flushes[0]!.fail(Object.assign(new Error('gone'), { code: '57P01' }));
    while (flushes.length < 2) await turn();
    expect(flushes[1]!.ids).toEqual(['1']);
    flushes[1]!.finish();
    await record;
  });

  it('commits the other events of a batch when one is refused', async () => {
    const { flushes, writer } = heldStore();
    const records = ['good', 'bad', 'fine'].map((id) => writer.record(event(id)));
    const settled = Promise.allSettled(records);
    const refused = () => Object.assign(new Error('invalid byte'), { code: '22021' });
    await turn();
    flushes[0]!.fail(refused());
    for (let at = 1; at <= 3; at += 1) {
      while (flushes.length <= at) await turn();
      if (flushes[at]!.ids[0] === 'bad') flushes[at]!.fail(refused());
      else flushes[at]!.finish();
    }
    expect((await settled).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
  });

  describe('while PostgreSQL is unavailable', () => {
    let directory: string;
    beforeEach(async () => {
      directory = await mkdtemp(path.join(tmpdir(), 'platform-local-log-'));
    });
    afterEach(() => rm(directory, { recursive: true }));
    const open = (maxBytes = 100_000) =>
      openLocalLog({ directory, maxBytes, key: Buffer.alloc(32, 7) });
    const gone = () => Object.assign(new Error('gone'), { code: '57P01' });
    const allowLocalLog = { allowLocalLog: true };

    it('keeps events that allow the local log, and drains them in one batch when it is back', async () => {
      const log = await open();
      const { flushes, writer } = heldStore(log);
      const records = [writer.record(event('1'), allowLocalLog), writer.record(event('2'))];
      const second = expect(records[1]).rejects.toMatchObject({ code: 'audit-unavailable' });
      await turn();
      expect(flushes[0]!.ids).toEqual(['1', '2']);
      flushes[0]!.fail(gone());
      await records[0];
      // Not sent to PostgreSQL, which is known to be unavailable.
      await writer.record(event('3'), allowLocalLog);
      expect(log.eventCount()).toBe(2);
      const drained = () => flushes.find(({ ids }) => ids.join() === '1,3');
      for (let at = 1; !drained(); await turn())
        for (; at < flushes.length; at += 1)
          if (flushes[at]!.ids.join() !== '1,3') flushes[at]!.fail(gone());
      drained()!.finish();
      const rest = setInterval(() => {
        for (const { ids, fail } of flushes) if (ids.join() === '2') fail(gone());
      }, 20);
      await second;
      clearInterval(rest);
      expect(log.eventCount()).toBe(0);
      await writer.close();
    });

    it('spills when PostgreSQL does not answer, and accepts its late answer too', async () => {
      const log = await open();
      const { flushes, writer } = heldStore(log);
      const change = writer.record(event('1'));
      await writer.record(event('2'), allowLocalLog);
      expect(log.eventCount()).toBe(1);
      const finishing = setInterval(() => {
        for (const { finish } of flushes) finish();
      }, 10);
      await change;
      await writer.close();
      clearInterval(finishing);
      expect(flushes.map(({ ids }) => ids.join())).toEqual(['1,2', '2']);
      expect((await open()).eventCount()).toBe(0);
    });

    it('rejects events when the local log is full', async () => {
      const { flushes, writer } = heldStore(await open(10));
      const record = writer.record(event('1'), allowLocalLog);
      await turn();
      flushes[0]!.fail(gone());
      await expect(record).rejects.toMatchObject({ code: 'audit-unavailable' });
      await writer.close();
    });

    it('leaves undrained events for the next process', async () => {
      const { flushes, writer } = heldStore(await open());
      const record = writer.record(event('1'), allowLocalLog);
      await turn();
      flushes[0]!.fail(gone());
      await record;
      const failing = setInterval(() => {
        for (const { fail } of flushes) fail(gone());
      }, 10);
      await writer.close();
      clearInterval(failing);
      const next = heldStore(await open());
      while (next.flushes.length === 0) await turn();
      expect(next.flushes[0]!.ids).toEqual(['1']);
      next.flushes[0]!.finish();
      await next.writer.close();
      expect((await open()).eventCount()).toBe(0);
    });
  });
});
