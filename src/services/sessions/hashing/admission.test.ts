import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAdmission, type Turn } from './admission.ts';

/** One runs at a time, and ends when the test says so. */
function planted(maxWaiting = 64) {
  let nowMs = 0;
  const admission = createAdmission({
    maxConcurrent: 1,
    maxWaiting,
    maxWaitMs: 60_000,
    monotonicMs: () => nowMs,
  });
  const order: string[] = [];
  const refused: string[] = [];
  let end = () => {};
  const enter = (name: string, turn: Turn, isValid = true) =>
    admission
      .run(
        () =>
          new Promise<boolean>((resolve) => {
            order.push(name);
            end = () => resolve(isValid);
          }),
        turn,
      )
      .then((result) => void (result ?? refused.push(name)));
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const runAll = async (all: readonly Promise<void>[]) => {
    for (let i = 0; i <= all.length; i += 1) {
      await settle();
      end();
    }
    await Promise.all(all);
  };
  const passMs = (ms: number) => {
    nowMs += ms;
  };
  return { enter, order, refused, runAll, passMs };
}

const of = (address: string, account = 'a'): Turn => ({ address, account });

describe('the line for hashing', () => {
  it('lets an address that sends one pass twenty of another', async () => {
    const { enter, order, runAll } = planted();
    const flood = Array.from({ length: 20 }, (_, i) => enter(`flood ${i}`, of('attacker')));
    const people = ['ann', 'bob'].map((name) => enter(name, of(name)));
    await runAll([...flood, ...people]);
    expect(order.slice(0, 4)).toEqual(['flood 0', 'flood 1', 'ann', 'bob']);
    expect(order).toHaveLength(22);
  });

  it('lets accounts of one address take turns', async () => {
    const { enter, order, runAll } = planted();
    const flood = Array.from({ length: 9 }, (_, i) => enter(`flood ${i}`, of('office', 'x')));
    await runAll([...flood, enter('colleague', of('office', 'y'))]);
    expect(order.indexOf('colleague')).toBe(2);
  });

  it('gives a place in a full line to an address with fewer in it', async () => {
    const { enter, order, refused, runAll } = planted(4);
    const flood = Array.from({ length: 5 }, (_, i) => enter(`flood ${i}`, of('attacker')));
    const all = [...flood, enter('ann', of('ann')), enter('flood 5', of('attacker'))];
    await runAll(all);
    // Its own last one, and the one that came when the line was full.
    expect(refused.sort()).toEqual(['flood 4', 'flood 5']);
    expect(order).toContain('ann');
  });

  it('keeps a place for a newcomer, whatever a flood from any addresses sent before', async () => {
    const from = fc.integer({ min: 0, max: 3 });
    await fc.assert(
      fc.asyncProperty(fc.array(from, { minLength: 1, maxLength: 40 }), async (flood) => {
        const { enter, order, refused, runAll } = planted(8);
        const all = flood.map((address, i) => enter(`flood ${i}`, of(`bot ${address}`)));
        await runAll([...all, enter('ann', of('ann'))]);
        expect(refused).not.toContain('ann');
        // One runs, and each of the other addresses has one turn before.
        expect(order.indexOf('ann')).toBeLessThanOrEqual(1 + new Set(flood).size);
        expect(order.length + refused.length).toBe(flood.length + 1);
      }),
      { numRuns: 50 },
    );
  });

  it('lets whoever guesses wait behind all who do not, until that is long ago', async () => {
    const { enter, order, runAll, passMs } = planted();
    const rounds = async (times: number) => {
      for (let i = 0; i < times; i += 1) await runAll([enter('guess', of('bot'), false)]);
      for (let i = 0; i < times; i += 1) await runAll([enter('login', of('office'))]);
    };
    const orderOfThree = async () => {
      order.length = 0;
      await runAll([
        enter('runs', of('other')),
        enter('guess', of('bot'), false),
        enter('login', of('office')),
      ]);
      return order.join(' ');
    };
    expect(await orderOfThree()).toBe('runs guess login');
    await rounds(4);
    expect(await orderOfThree()).toBe('runs login guess');
    // What is forgotten is less than what one guess more would be.
    passMs(3_600_000 * 24);
    expect(await orderOfThree()).toBe('runs guess login');
  });

  it('refuses at once where nobody may wait', async () => {
    const { enter, refused, runAll } = planted(0);
    await runAll([enter('first', of('a')), enter('second', of('b'))]);
    expect(refused).toEqual(['second']);
  });
});
