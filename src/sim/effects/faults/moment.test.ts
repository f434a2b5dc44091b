import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { describeMoment, type MomentSources, untilMoment } from './moment.ts';

const never = () => new Promise<never>(() => {});
const sources = (more: Partial<MomentSources> = {}): MomentSources => ({
  acknowledged: never,
  commitInFlight: null,
  ...more,
});
const limits = (limitMs = 1_000) => ({ limitMs, signal: new AbortController().signal });

describe('untilMoment', () => {
  it('does not wait longer than the latest moment for an event that a design never causes', async () => {
    const never = { commitInFlight: () => new Promise<void>(() => {}) };
    const at = { afterMs: 0, commitInFlight: true, latestMs: 5 };
    expect(await untilMoment(at, sources(never), limits())).toMatch(
      /^without its event, after 5 ms: nothing came/,
    );
    const now = { commitInFlight: async () => {} };
    expect(await untilMoment(at, sources(now), limits())).toBe('while a COMMIT is in flight');
  });

  it('waits for the time, then for the event, then for the lag', async () => {
    const seen: string[] = [];
    const acknowledged = async (operation: string) => {
      seen.push(operation);
      await sleep(10);
      seen.push('answered');
    };
    const at = { afterMs: 5, acknowledged: { operation: 'logout', lagMs: 5 } };
    const moment = untilMoment(at, sources({ acknowledged }), limits()).then(() =>
      seen.push('moment'),
    );
    expect(seen).toEqual([]);
    await moment;
    expect(seen).toEqual(['logout', 'answered', 'moment']);
  });

  it('asks for a COMMIT with the limit', async () => {
    const asked: number[] = [];
    const commitInFlight = async (limitMs: number) => void asked.push(limitMs);
    await untilMoment({ afterMs: 0, commitInFlight: true }, sources({ commitInFlight }), limits(7));
    expect(asked).toEqual([7]);
  });

  it('gives up on an event that never comes', async () => {
    const at = { afterMs: 0, acknowledged: { operation: 'logout', lagMs: 0 } };
    await expect(untilMoment(at, sources(), limits(10))).rejects.toThrow('nothing within 0.01 s');
  });

  it.each([
    { afterMs: 60_000 },
    { afterMs: 0, acknowledged: { operation: 'logout', lagMs: 0 } },
    { afterMs: 0, commitInFlight: true },
  ])('ends with the reason of its signal: %j', async (at) => {
    const ending = new AbortController();
    const all = sources({ commitInFlight: never });
    const moment = untilMoment(at, all, { limitMs: 60_000, signal: ending.signal });
    setTimeout(() => ending.abort(new Error('the phase ended first')), 5);
    await expect(moment).rejects.toThrow('the phase ended first');
  });

  it('cannot wait for a COMMIT that nothing sees', async () => {
    const moment = untilMoment({ afterMs: 0, commitInFlight: true }, sources(), limits());
    await expect(moment).rejects.toThrow('no proxied link');
  });
});

describe('describeMoment', () => {
  it.each([
    [{ afterMs: 200 }, 'after 200 ms'],
    [
      { afterMs: 0, acknowledged: { operation: 'logout', lagMs: 120 } },
      '120 ms after an acknowledged logout',
    ],
    [{ afterMs: 9, commitInFlight: true }, 'while a COMMIT is in flight'],
  ])('%j', (at, text) => expect(describeMoment(at)).toBe(text));
});
