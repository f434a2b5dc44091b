import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../pure/random.ts';
import { activateRule, type LinkRule } from './rule.ts';

const actions = (rule: LinkRule, seed: number, count: number) => {
  const active = activateRule(rule, createRandom(seed));
  return Array.from({ length: count }, () => active.decide().action);
};

describe('a rule', () => {
  it('cuts every n-th request from a seeded phase on', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(), (every, seed) => {
        const all = actions({ kind: 'cut-reply', every }, seed, every * 3);
        const cut = all.flatMap((action, index) => (action === 'cut' ? [index] : []));
        expect(cut).toEqual([cut[0]!, cut[0]! + every, cut[0]! + 2 * every]);
        expect(actions({ kind: 'cut-reply', every }, seed, every * 3)).toEqual(all);
      }),
    );
  });

  it('fails the k-th request alone', () =>
    expect(actions({ kind: 'fail-request', k: 3 }, 1, 5)).toEqual([
      'pass',
      'pass',
      'fail',
      'pass',
      'pass',
    ]));

  it('delays within its bounds, half on each way, the same for the same seed', () => {
    const delays = (seed: number) => {
      const rule = { kind: 'latency', meanMs: 100, jitterMs: 20 } as const;
      const { toServer, toClient } = activateRule(rule, createRandom(seed));
      return Array.from({ length: 200 }, () => [toServer, toClient])
        .flat()
        .map((shaper) => shaper!.releaseAtMs(100, 1_000) - 1_000);
    };
    const drawn = delays(1);
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(40);
    expect(Math.max(...drawn)).toBeLessThanOrEqual(60);
    expect(new Set(drawn).size).toBeGreaterThan(390);
    expect(delays(1)).toEqual(drawn);
    expect(delays(2)).not.toEqual(drawn);
  });

  it('forwards bytes at the rate of the link, of all connections together', () => {
    const { toServer } = activateRule(
      { kind: 'bandwidth', bytesPerSecond: 1_000 },
      createRandom(1),
    );
    // 500 bytes take half a second; the next ones wait for them, and a pause is not saved up.
    expect(toServer!.releaseAtMs(500, 0)).toBe(500);
    expect(toServer!.releaseAtMs(250, 0)).toBe(750);
    expect(toServer!.releaseAtMs(250, 10_000)).toBe(10_250);
  });

  it.each<LinkRule>([
    { kind: 'latency', meanMs: -1, jitterMs: 0 },
    { kind: 'latency', meanMs: 1, jitterMs: Number.NaN },
    { kind: 'bandwidth', bytesPerSecond: 0 },
    { kind: 'cut-reply', every: 0 },
    { kind: 'fail-request', k: 0 },
  ])('of nonsense is refused: %j', (rule) => {
    expect(() => activateRule(rule, createRandom(1)).toServer?.releaseAtMs(1, 1)).toThrow(
      RangeError,
    );
  });
});
