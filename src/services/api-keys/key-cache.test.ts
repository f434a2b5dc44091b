import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createKeyCache } from './key-cache.ts';

/** A table of keys, statements that can be held back, and a clock. */
function setUp(rows: Record<string, string> = { 1: 'one' }) {
  const state = { nowMs: 1_000_000, rows: new Map(Object.entries(rows)), down: false };
  const reads: (readonly string[])[] = [];
  const held: (() => void)[] = [];
  let holding = false;
  const keys = createKeyCache<string>({
    monotonicMs: () => state.nowMs,
    async read(ids) {
      reads.push(ids);
      // As the rows were when the statement was sent.
      const found = new Map([...state.rows].filter(([id]) => ids.includes(id)));
      if (holding) await new Promise<void>((resolve) => held.push(resolve));
      if (state.down) throw new Error('down');
      return found;
    },
  });
  return {
    state,
    reads,
    keys,
    hold: () => {
      holding = true;
    },
    release: () => {
      holding = false;
      for (const resolve of held.splice(0)) resolve();
    },
  };
}

const unavailable = { status: 503, code: 'keys-unavailable' };

describe('the key cache', () => {
  it('reads a key once a second for all callers', async () => {
    const { keys, reads, state } = setUp();
    expect(await Promise.all([keys.find('1'), keys.find('1')])).toEqual(['one', 'one']);
    state.nowMs += 999;
    await keys.find('1');
    expect(reads).toEqual([['1']]);
    state.rows.delete('1');
    state.nowMs += 1;
    expect(await keys.find('1')).toBeNull();
  });

  it('counts the age of an entry from its statement, not from the result', async () => {
    const { keys, state, hold, release } = setUp();
    hold();
    const first = keys.find('1');
    await turn();
    state.rows.delete('1');
    state.nowMs += 999;
    release();
    expect(await first).toBe('one');
    state.nowMs += 1;
    expect(await keys.find('1')).toBeNull();
  });

  it('does not share a read that is too old, nor one that began before an invalidation', async () => {
    const { keys, state, hold, release } = setUp({ 1: 'one', 2: 'two' });
    hold();
    const before = [keys.find('1'), keys.find('2')];
    await turn();
    state.rows.clear();
    keys.invalidate('1');
    const afterInvalidation = keys.find('1');
    state.nowMs += 1_000;
    const late = keys.find('2');
    await turn();
    release();
    expect(await Promise.all(before)).toEqual(['one', 'two']);
    expect(await Promise.all([afterInvalidation, late])).toEqual([null, null]);
    expect(await keys.find('1')).toBeNull();
  });

  it('caches for 0.1 s that a key does not exist', async () => {
    const { keys, reads, state } = setUp({});
    expect(await keys.find('7')).toBeNull();
    state.rows.set('7', 'seven');
    state.nowMs += 99;
    expect(await keys.find('7')).toBeNull();
    expect(reads).toHaveLength(1);
    state.nowMs += 1;
    expect(await keys.find('7')).toBe('seven');
    state.rows.set('7', 'changed');
    expect(await keys.refresh('7')).toBe('seven');
    state.nowMs += 100;
    expect([await keys.find('7'), await keys.refresh('7')]).toEqual(['seven', 'changed']);
  });

  it('uses entries for 30 s while reads fail, without waiting after the first failure, and recovers', async () => {
    const { keys, state, hold, release } = setUp();
    await keys.find('1');
    state.down = true;
    state.nowMs += 1_000;
    expect(await keys.find('1')).toBe('one');
    await expect(keys.find('2')).rejects.toMatchObject(unavailable);
    await expect(keys.refresh('1')).rejects.toMatchObject(unavailable);
    hold();
    expect(await keys.find('1')).toBe('one');
    release();
    await turn();
    state.nowMs += 28_999;
    expect(await keys.find('1')).toBe('one');
    state.nowMs += 1;
    await expect(keys.find('1')).rejects.toMatchObject(unavailable);
    state.down = false;
    expect(await keys.find('1')).toBe('one');
  });

  it('times out a statement that never responds, and the queue behind it', async () => {
    const { keys, hold, reads } = setUp();
    hold();
    const many = Array.from({ length: 5_000 }, (_, i) => keys.find(String(i + 1)));
    for (const one of await Promise.allSettled(many))
      expect(one).toMatchObject({ status: 'rejected', reason: unavailable });
    expect(reads).toHaveLength(2);
  });

  it('is bounded, and guesses evict no real key', async () => {
    const { keys, reads } = setUp({ 1: 'one' });
    await keys.find('1');
    const guesses = Array.from({ length: 9_000 }, (_, i) => String(i + 2));
    const answers = await Promise.all(guesses.map((id) => keys.find(id)));
    expect(answers.every((answer) => answer === null)).toBe(true);
    expect(reads.every((ids) => ids.length <= 500)).toBe(true);
    const statements = reads.length;
    await keys.find('1');
    expect(reads).toHaveLength(statements);
    const all = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [i + 1, 'key']));
    const full = setUp(all);
    for (const half of [Object.keys(all).slice(0, 6_000), Object.keys(all).slice(6_000)])
      await Promise.all(half.map((id) => full.keys.find(id)));
    const before = full.reads.length;
    await full.keys.find('2');
    expect(full.reads).toHaveLength(before);
    await full.keys.find('1');
    expect(full.reads).toHaveLength(before + 1);
  });

  it('rejects calls while the queue is full', async () => {
    const { keys, hold, release } = setUp();
    hold();
    const many = Array.from({ length: 10_001 }, (_, i) => keys.find(String(i + 1)));
    const settled = Promise.allSettled(many);
    await expect(many.at(-1)).rejects.toMatchObject(unavailable);
    release();
    expect((await settled).filter(({ status }) => status === 'rejected')).toHaveLength(1);
  });
});
