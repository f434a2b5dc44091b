import { describe, expect, it } from 'vitest';
import { findDesign } from '../lineage.ts';
import type { Database, Statement } from '../ports.ts';
import type { AuditEvent } from './contract.ts';
import { createGroupCommit } from './group-commit.ts';

// The store here is a hand-held one, so that a test can say when a flush ends and how.
const { writer } = findDesign('turn4.after').audit;
if (writer.kind !== 'group-commit') throw new Error('turn4.after writes in groups');
const design = { ...writer, maxBatch: 3, maxQueued: 4, retryForMs: 1_000 };
const observer = { flushed: () => {}, cache: () => {} };
const clock = { nowUs: () => performance.now() * 1_000 };

interface Flush {
  readonly ids: string[];
  finish(): void;
  fail(error: Error): void;
}

function heldStore() {
  const flushes: Flush[] = [];
  const db = {
    query: (statement: Statement) =>
      new Promise<never[]>((resolve, reject) => {
        const ids = (statement.values as string[][])[2]!;
        flushes.push({ ids, finish: () => resolve([]), fail: reject });
      }),
  } as Database;
  return { db, flushes, writer: createGroupCommit({ db, clock, design, observer }) };
}

const event = (eventId: string): AuditEvent => ({
  eventId,
  userId: '1',
  action: 'a',
  resourceType: 'r',
  resourceId: null,
  outcome: 'success',
  occurredAt: '2026-11-21T03:23:15.000000Z',
  ip: null,
  requestId: 'q',
  userAgent: null,
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('group commit', () => {
  it('flushes at once when idle and everything that waited when a flush ends', async () => {
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

  it('refuses what no longer fits in the queue', async () => {
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

  it('lets one refused event not take the others with it', async () => {
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
});
