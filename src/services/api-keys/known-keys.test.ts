import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createKnownKeys } from './known-keys.ts';

/** A table of keys, statements that answer when told, and a clock. */
function setUp(rows: Record<string, string> = { 1: 'one' }) {
  const state = { nowMs: 1_000_000, rows: new Map(Object.entries(rows)), down: false };
  const reads: (readonly string[])[] = [];
  const held: (() => void)[] = [];
  let holding = false;
  const keys = createKnownKeys<string>({
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
    ...{ state, reads, keys },
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

describe('what a process knows of keys', () => {
  it('is read once a second, whoever asks', async () => {
    const { keys, reads, state } = setUp();
    expect(await Promise.all([keys.find('1'), keys.find('1')])).toEqual(['one', 'one']);
    state.nowMs += 999;
    await keys.find('1');
    expect(reads).toEqual([['1']]);
    state.rows.delete('1');
    state.nowMs += 1;
    expect(await keys.find('1')).toBeNull();
  });

  it('is as old as its statement, not as its answer', async () => {
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

  it('does not share a statement that is too old, nor one from before something was forgotten', async () => {
    const { keys, state, hold, release } = setUp({ 1: 'one', 2: 'two' });
    hold();
    const early = [keys.find('1'), keys.find('2')];
    await turn();
    state.rows.clear();
    keys.forget('1');
    const afterForgetting = keys.find('1');
    state.nowMs += 1_000;
    const late = keys.find('2');
    await turn();
    release();
    expect(await Promise.all(early)).toEqual(['one', 'two']);
    expect(await Promise.all([afterForgetting, late])).toEqual([null, null]);
    expect(await keys.find('1')).toBeNull();
  });

  it('refuses for 0.1 s what was not there', async () => {
    const { keys, reads, state } = setUp({});
    expect(await keys.find('7')).toBeNull();
    state.rows.set('7', 'seven');
    state.nowMs += 99;
    expect(await keys.find('7')).toBeNull();
    expect(reads).toHaveLength(1);
    state.nowMs += 1;
    expect(await keys.find('7')).toBe('seven');
    state.rows.set('7', 'changed');
    expect(await keys.reread('7')).toBe('seven');
    state.nowMs += 100;
    expect([await keys.find('7'), await keys.reread('7')]).toEqual(['seven', 'changed']);
  });

  it('goes on for 30 s while reading fails, at once after the first failure, and recovers', async () => {
    const { keys, state, hold, release } = setUp();
    await keys.find('1');
    state.down = true;
    state.nowMs += 1_000;
    expect(await keys.find('1')).toBe('one');
    await expect(keys.find('2')).rejects.toMatchObject(unavailable);
    await expect(keys.reread('1')).rejects.toMatchObject(unavailable);
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

  it('has a limit for a statement that never answers, and for everybody in line behind it', async () => {
    const { keys, hold, reads } = setUp();
    hold();
    const many = Array.from({ length: 5_000 }, (_, i) => keys.find(String(i + 1)));
    for (const one of await Promise.allSettled(many))
      expect(one).toMatchObject({ status: 'rejected', reason: unavailable });
    expect(reads).toHaveLength(2);
  });

  it('is bounded, and guesses drive nothing real out', async () => {
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

  it('turns away who would wait in a line that is full', async () => {
    const { keys, hold, release } = setUp();
    hold();
    const many = Array.from({ length: 10_001 }, (_, i) => keys.find(String(i + 1)));
    const settled = Promise.allSettled(many);
    await expect(many.at(-1)).rejects.toMatchObject(unavailable);
    release();
    expect((await settled).filter(({ status }) => status === 'rejected')).toHaveLength(1);
  });
});
