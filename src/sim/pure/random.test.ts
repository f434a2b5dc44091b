import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createRandom,
  erlang,
  exponential,
  type Random,
  shuffled,
  weightedPick,
} from './random.ts';

const take = (random: Random, count: number) => Array.from({ length: count }, () => random.next());
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: number[]) => {
  const center = mean(values);
  return mean(values.map((value) => (value - center) ** 2));
};
const draw = (count: number, sample: () => number) => Array.from({ length: count }, sample);

describe('createRandom', () => {
  it('gives the same stream for the same seed, and another for another', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (one, other) => {
        expect(take(createRandom(one), 8)).toEqual(take(createRandom(one), 8));
        if (one !== other)
          expect(take(createRandom(one), 8)).not.toEqual(take(createRandom(other), 8));
      }),
    );
  });

  it('keeps its stream across releases: a changed generator would silently change every schedule', () => {
    expect(take(createRandom(1), 3).map((value) => Math.floor(value * 1e9))).toMatchInlineSnapshot(`
      [
        278944702,
        970742547,
        74311211,
      ]
    `);
  });

  it('stays in [0, 1) with mean 1/2 and variance 1/12', () => {
    // 100,000 uniforms: the mean's standard error is 0.2887 / sqrt(100,000) = 0.0009; 0.005 is five of them.
    const values = take(createRandom(7), 100_000);
    expect(Math.min(...values.slice(0, 10_000))).toBeGreaterThanOrEqual(0);
    expect(values.every((value) => value < 1)).toBe(true);
    expect(Math.abs(mean(values) - 0.5)).toBeLessThan(0.005);
    expect(Math.abs(variance(values) - 1 / 12)).toBeLessThan(0.002);
  });

  it('forks by label, whatever was drawn before', () => {
    fc.assert(
      fc.property(fc.integer(), fc.string(), fc.nat(20), (seed, label, drawn) => {
        const used = createRandom(seed);
        take(used, drawn);
        expect(take(used.fork(label), 4)).toEqual(take(createRandom(seed).fork(label), 4));
        expect(take(used.fork(`${label}x`), 4)).not.toEqual(take(used.fork(label), 4));
      }),
    );
  });

  it('has no correlation between sibling forks, nor between neighbouring seeds', () => {
    // Correlation of 20,000 independent pairs has standard error 0.007; 0.035 is five of them.
    const correlation = (left: number[], right: number[]) =>
      (mean(left.map((value, index) => value * right[index]!)) - mean(left) * mean(right)) /
      Math.sqrt(variance(left) * variance(right));
    const root = createRandom(3);
    const pairs = [
      [root.fork('a'), root.fork('b')],
      [root.fork(1), root.fork(2)],
      [root, root.fork('a')],
      [createRandom(3), createRandom(4)],
    ] as const;
    for (const [left, right] of pairs) {
      expect(Math.abs(correlation(take(left, 20_000), take(right, 20_000)))).toBeLessThan(0.035);
    }
  });
});

describe('distributions', () => {
  it('exponential has its mean and a variance of mean squared', () => {
    const random = createRandom(11);
    const values = draw(100_000, () => exponential(random, 4));
    expect(mean(values)).toBeGreaterThan(3.9);
    expect(mean(values)).toBeLessThan(4.1);
    expect(variance(values)).toBeGreaterThan(15);
    expect(variance(values)).toBeLessThan(17);
  });

  it('Erlang has its mean and a variance of mean squared / shape', () => {
    for (const shape of [1, 2, 16, 40]) {
      const random = createRandom(shape);
      const values = draw(40_000, () => erlang(random, 10, shape));
      expect(Math.abs(mean(values) - 10)).toBeLessThan(0.3);
      expect(Math.abs(variance(values) / (100 / shape) - 1)).toBeLessThan(0.1);
    }
  });

  it('picks by weight', () => {
    const random = createRandom(5);
    const pick = weightedPick([1, 2, 7]);
    const counts = [0, 0, 0];
    for (let index = 0; index < 50_000; index += 1) counts[pick(random)]! += 1;
    expect(counts[0]! / 50_000).toBeCloseTo(0.1, 1.5);
    expect(counts[1]! / 50_000).toBeCloseTo(0.2, 1.5);
    expect(counts[2]! / 50_000).toBeCloseTo(0.7, 1.5);
  });

  it('refuses weights that cannot be picked by', () => {
    for (const weights of [[], [0], [1, -1], [Number.NaN], [Number.POSITIVE_INFINITY]]) {
      expect(() => weightedPick(weights)).toThrow(/weights must be positive/);
    }
  });

  it('shuffles into a permutation', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(200), (seed, count) => {
        const order = shuffled(createRandom(seed), count);
        expect([...order].sort((a, b) => a - b)).toEqual(
          Array.from({ length: count }, (_, i) => i),
        );
      }),
    );
  });
});
