import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom, shuffled } from '../random.ts';
import { expectedArrivals } from './arrivals.ts';
import { maxDurationMs, openSchedule, plannedMs, sweepSchedule, userPlan } from './schedule.ts';
import type { OpenWorkload, OperationTemplate, SweepWorkload, UsersWorkload } from './workload.ts';

const operation = (name: string, weight = 1): OperationTemplate => ({
  name,
  weight,
  method: 'GET',
  path: '/',
});
const open = (
  arrivals: OpenWorkload['arrivals'],
  stages: OpenWorkload['stages'],
  operations = [operation('read')],
): OpenWorkload => ({ kind: 'open', arrivals, stages, operations });
const users = (part: Partial<UsersWorkload>): UsersWorkload => ({
  kind: 'users',
  users: 10,
  think: { meanMs: 1000, shape: 1 },
  startBusy: 0,
  durationMs: 1000,
  operations: [operation('read')],
  ...part,
});
const times = (workload: OpenWorkload, seed = 1) =>
  [...openSchedule(workload, seed, 1)].map((p) => p.atUs);

const stage = fc.record({
  ratePerSecond: fc.integer({ min: 0, max: 200 }),
  endRatePerSecond: fc.integer({ min: 0, max: 200 }),
  durationMs: fc.integer({ min: 1, max: 5000 }),
});

describe('openSchedule', () => {
  it('places constant arrivals evenly, the first at 0', () => {
    // 10 a second for 1 s: one each 100 ms.
    expect(times(open('constant', [{ ratePerSecond: 10, durationMs: 1000 }]))).toEqual([
      0, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000, 700_000, 800_000, 900_000,
    ]);
  });

  it('solves a ramp exactly', () => {
    // 0 to 10 a second over 2 s: L(t) = 2.5 t^2, so arrival k is at sqrt(k / 2.5) s; L(2) = 10 arrivals.
    const ramp = times(
      open('constant', [{ ratePerSecond: 0, endRatePerSecond: 10, durationMs: 2000 }]),
    );
    expect(ramp).toEqual(
      Array.from({ length: 10 }, (_, k) => Math.floor(Math.sqrt(k / 2.5) * 1e6)),
    );
    // 10 down to 0 over 2 s: L(t) = 10 t - 2.5 t^2; L = 5 at t = 2 - sqrt(2) = 0.585786 s.
    const fall = times(
      open('constant', [{ ratePerSecond: 10, endRatePerSecond: 0, durationMs: 2000 }]),
    );
    expect(fall).toHaveLength(10);
    expect(fall[5]).toBe(585_786);
  });

  it('carries the remainder across stages', () => {
    // 5/s for 300 ms expects 1.5 arrivals, then 10/s: L = 2 falls 0.5 / 10 s = 50 ms into the second stage.
    const stages = [
      { ratePerSecond: 5, durationMs: 300 },
      { ratePerSecond: 10, durationMs: 200 },
    ];
    expect(times(open('constant', stages))).toEqual([0, 200_000, 350_000, 450_000]);
  });

  it('is silent in a stage of rate zero', () => {
    const stages = [0, 10, 0, 10].map((ratePerSecond) => ({ ratePerSecond, durationMs: 200 }));
    expect(times(open('constant', stages))).toEqual([200_000, 300_000, 600_000, 700_000]);
  });

  it('has whole, ordered microseconds inside the plan, and exactly the expected count when constant', () => {
    fc.assert(
      fc.property(
        fc.array(stage, { minLength: 1, maxLength: 4 }),
        fc.constantFrom('constant' as const, 'poisson' as const),
        fc.integer(),
        (stages, arrivals, seed) => {
          const workload = open(arrivals, stages);
          const at = times(workload, seed);
          expect(at.every(Number.isSafeInteger)).toBe(true);
          expect(at.every((us, index) => us >= (at[index - 1] ?? 0))).toBe(true);
          expect(at.at(-1) ?? 0).toBeLessThanOrEqual(plannedMs(workload) * 1000);
          if (arrivals === 'constant') {
            expect(at).toHaveLength(Math.ceil(expectedArrivals(workload) - 1e-9));
          }
        },
      ),
    );
  });

  it('draws Poisson counts and gaps', () => {
    // 100/s for 100 s expects 10,000 arrivals, standard deviation sqrt(10,000) = 100; five of them is 500.
    const at = times(open('poisson', [{ ratePerSecond: 100, durationMs: 100_000 }]), 3);
    expect(Math.abs(at.length - 10_000)).toBeLessThan(500);
    // Exponential gaps: P(gap > mean) = 1/e = 0.368, standard error 0.005.
    const long = at.filter((us, index) => us - (at[index - 1] ?? 0) > 10_000).length / at.length;
    expect(Math.abs(long - Math.exp(-1))).toBeLessThan(0.025);
  });

  it('puts three quarters of a Poisson ramp from zero in its second half', () => {
    // L(t) grows with t^2, so the first half of the time holds 1/4 of 5,000; standard deviation 31.
    const stages = [{ ratePerSecond: 0, endRatePerSecond: 100, durationMs: 100_000 }];
    const at = times(open('poisson', stages), 9);
    expect(Math.abs(at.filter((us) => us < 50_000_000).length - 1250)).toBeLessThan(180);
  });

  it('repeats itself for a seed; arrivals do not depend on the mix or the accounts', () => {
    const stages = [{ ratePerSecond: 50, durationMs: 2000 }];
    const one = open('poisson', stages, [operation('a'), operation('b', 3)]);
    expect([...openSchedule(one, 4, 7)]).toEqual([...openSchedule(one, 4, 7)]);
    expect(times(one, 4)).not.toEqual(times(one, 5));
    expect([...openSchedule(one, 4, 90)].map((p) => p.atUs)).toEqual(
      times(open('poisson', stages), 4),
    );
  });

  it('mixes operations by weight and uses accounts evenly', () => {
    const stages = [{ ratePerSecond: 1000, durationMs: 10_000 }];
    const plan = [
      ...openSchedule(open('constant', stages, [operation('a'), operation('b', 3)]), 1, 30),
    ];
    // 10,000 picks at 1/4: standard deviation sqrt(10,000 x 3/16) = 43.
    expect(Math.abs(plan.filter((p) => p.template === 0).length - 2500)).toBeLessThan(220);
    const perAccount = Array.from(
      { length: 30 },
      (_, a) => plan.filter((p) => p.account === a).length,
    );
    expect(Math.max(...perAccount) - Math.min(...perAccount)).toBeLessThanOrEqual(1);
    const order = shuffled(createRandom(1).fork('accounts'), 30);
    expect(plan.slice(0, 30).map((p) => p.account)).toEqual([...order]);
    expect(
      plan.every(
        (p, index) =>
          p.position % 30 === p.account && p.position === p.account + Math.floor(index / 30) * 30,
      ),
    ).toBe(true);
  });

  it('draws the target last and apart: more of them change nothing else', () => {
    const operations = [operation('a'), operation('b', 3)];
    const workload = open('poisson', [{ ratePerSecond: 100, durationMs: 40_000 }], operations);
    const plan = (targets: number) => [...openSchedule(workload, 6, 9, targets)];
    const but = (targets: number) => plan(targets).map(({ target: _, ...rest }) => rest);
    expect(but(4)).toEqual(but(1));
    expect(plan(4)).toEqual(plan(4));
    expect(new Set(plan(1).map((p) => p.target))).toEqual(new Set([0]));
    // 4,000 draws of 1/4: standard deviation sqrt(4,000 x 3/16) = 27.
    for (const target of [0, 1, 2, 3]) {
      const drawn = plan(4).filter((p) => p.target === target).length;
      expect(Math.abs(drawn - 1_000)).toBeLessThan(140);
    }
  });

  it('plans without accounts for anonymous operations', () => {
    expect([
      ...openSchedule(open('constant', [{ ratePerSecond: 2, durationMs: 1000 }]), 1, 0),
    ]).toMatchObject([
      { atUs: 0, account: -1, template: 0, target: 0 },
      { atUs: 500_000, account: -1, template: 0, target: 0 },
    ]);
  });

  it('names the number that is wrong', () => {
    const bad = [{ ratePerSecond: -1, durationMs: 1000 }];
    expect(() => times(open('constant', bad))).toThrow(/ratePerSecond .* got -1/);
    expect(() => times(open('constant', []))).toThrow(/needs a stage/);
    expect(() => userPlan(users({ think: { meanMs: 1, shape: 1.5 } }), 1, 0).next()).toThrow(
      /shape/,
    );
  });
});

describe('userPlan', () => {
  const firstSteps = (workload: UsersWorkload, count: number) =>
    Array.from({ length: count }, (_, user) => userPlan(workload, 2, user).next().value.thinkUs);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

  it('starts the last of the initial users at once, and all others in mid-thought', () => {
    const starts = firstSteps(users({ users: 10, startBusy: 3 }), 15);
    expect(starts.slice(7, 10)).toEqual([0, 0, 0]);
    const others = [...starts.slice(0, 7), ...starts.slice(10)];
    expect(others.every((us) => us > 0)).toBe(true);
  });

  it('has the residual mean of an Erlang think time', () => {
    // Mean residual life is E[X^2] / 2 E[X] = mean (1 + 1/shape) / 2: 1,000 ms for shape 1, 625 ms for 4.
    // 20,000 users, standard deviation at most the mean: standard error 7 ms.
    for (const [shape, expectedMs] of [
      [1, 1000],
      [4, 625],
    ] as const) {
      const starts = firstSteps(users({ think: { meanMs: 1000, shape } }), 20_000);
      expect(Math.abs(mean(starts) / 1000 - expectedMs)).toBeLessThan(36);
    }
  });

  it('thinks with the given mean, repeatably, each user differently', () => {
    const take = (user: number) => {
      const plan = userPlan(users({ think: { meanMs: 50, shape: 3 } }), 2, user);
      return Array.from({ length: 5000 }, () => plan.next().value.thinkUs);
    };
    expect(take(4)).toEqual(take(4));
    expect(take(4)).not.toEqual(take(5));
    expect(Math.abs(mean(take(4)) - 50_000)).toBeLessThan(2_500);
  });

  it('goes to every target, and thinks the same however many there are', () => {
    const take = (targets: number) => {
      const plan = userPlan(users({}), 2, 1, targets);
      return Array.from({ length: 100 }, () => plan.next().value);
    };
    expect(take(3).map((step) => step.thinkUs)).toEqual(take(1).map((step) => step.thinkUs));
    expect(new Set(take(3).map((step) => step.target))).toEqual(new Set([0, 1, 2]));
  });
});

describe('sweepSchedule', () => {
  const sweep = (part: Partial<SweepWorkload> = {}): SweepWorkload => ({
    kind: 'sweep',
    as: 'live',
    everyTarget: true,
    ratePerSecond: 100,
    operations: [operation('check')],
    ...part,
  });

  it('asks as every credential once on every target, or once in all', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        fc.option(fc.nat({ max: 70 }), { nil: undefined }),
        fc.integer(),
        (credentials, targets, everyTarget, max, seed) => {
          const workload = sweep({ everyTarget, ...(max === undefined ? {} : { max }) });
          const plan = [...sweepSchedule(workload, seed, credentials, targets)];
          const swept = Math.min(credentials, max ?? credentials);
          const pairs = new Set(plan.map((p) => `${p.account} ${p.target}`));
          expect(plan).toHaveLength(swept * (everyTarget ? targets : 1));
          expect(pairs.size).toBe(plan.length);
          expect(new Set(plan.map((p) => p.account)).size).toBe(swept);
          expect(plan).toEqual([...sweepSchedule(workload, seed, credentials, targets)]);
          expect(plannedMs(workload, { credentials, targets })).toBe(plan.length * 10);
        },
      ),
    );
  });

  it('keeps its rate, in an order of the seed', () => {
    const plan = [...sweepSchedule(sweep({ everyTarget: false }), 1, 50, 4)];
    expect(plan.map((p) => p.atUs)).toEqual(plan.map((_, index) => index * 10_000));
    const order = (seed: number) => [...sweepSchedule(sweep(), seed, 50)].map((p) => p.account);
    expect(order(1)).not.toEqual(order(2));
    expect(order(1).toSorted((a, b) => a - b)).toEqual(plan.map((_, index) => index));
    // A longer list keeps nothing of the order, but `max` is always its beginning.
    expect([...sweepSchedule(sweep({ max: 5 }), 1, 50)].map((p) => p.account)).toEqual(
      order(1).slice(0, 5),
    );
  });

  it('may take as long as its operations, attempts and pauses', () => {
    const retry = { attempts: 3, baseMs: 10, capMs: 100, statuses: [], onNextInstance: true };
    const workload = sweep({ operations: [{ ...operation('check'), retry }] });
    expect(maxDurationMs(workload, { credentials: 50, targets: 2 }, 1_000)).toBe(
      1_000 + 3_000 + 200,
    );
    expect(() => [
      ...sweepSchedule(
        sweep({ operations: [{ ...operation('a'), retry: { ...retry, attempts: 0 } }] }),
        1,
        1,
      ),
    ]).toThrow('retry.attempts');
  });
});
