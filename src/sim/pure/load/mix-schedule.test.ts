import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupsOf } from './round-robin.ts';
import { maxDurationMs, mixSchedule, openSchedule, plannedMs } from './schedule.ts';
import { validate } from './validate-workload.ts';
import { type MixWorkload, mixOf, type OpenWorkload, type OperationTemplate } from './workload.ts';

const operation = (name: string, part: Partial<OperationTemplate> = {}): OperationTemplate => ({
  name,
  weight: 1,
  method: 'GET',
  path: '/',
  ...part,
});
const open = (
  ratePerSecond: number,
  operations: readonly OperationTemplate[],
  part: Partial<OpenWorkload> = {},
): OpenWorkload => ({
  kind: 'open',
  arrivals: 'poisson',
  operations,
  stages: [{ ratePerSecond, durationMs: 2_000 }],
  ...part,
});
/** u0 and u3, u6... are bots, the rest honest but for the last, who is of no group. */
const groups = groupsOf(
  Array.from({ length: 31 }, (_, index) =>
    index === 30 ? {} : { group: index % 3 === 0 ? 'bot' : 'honest' },
  ),
);
const spread = (used: readonly number[]) => {
  const counts = new Map<number, number>();
  for (const one of used) counts.set(one, (counts.get(one) ?? 0) + 1);
  return { size: counts.size, of: Math.max(...counts.values()) - Math.min(...counts.values()) };
};

describe('a group', () => {
  const mixed = [
    operation('work', { weight: 3, group: 'honest' }),
    operation('scrape', { group: 'bot' }),
    operation('crawl', { group: 'bot' }),
    operation('look'),
  ];

  it('supplies all accounts of its operations, each equally often', () => {
    const plan = [...openSchedule(open(500, mixed), 5, 31, 2, groups)];
    const of = (...templates: number[]) =>
      plan.filter(({ template }) => templates.includes(template)).map(({ account }) => account);
    expect(of(0).every((account) => groups.get('honest')!.includes(account))).toBe(true);
    expect(of(1, 2).every((account) => groups.get('bot')!.includes(account))).toBe(true);
    expect(spread(of(0))).toMatchObject({ size: 20 });
    for (const used of [of(0), of(1, 2), of(3)]) expect(spread(used).of).toBeLessThanOrEqual(1);
    expect(spread(of(3)).size).toBe(31);
  });

  it('has positions that keep growing: index plus size times completed rounds', () => {
    const plan = [...openSchedule(open(300, mixed), 5, 31, 2, groups)];
    const bots = plan.filter(({ template }) => template === 1 || template === 2);
    const members = groups.get('bot')!;
    for (const [index, { account, position }] of bots.entries()) {
      expect(members[position % members.length]).toBe(account);
      expect(Math.floor(position / members.length)).toBe(Math.floor(index / members.length));
    }
  });

  it('changes neither arrival times nor operations nor targets', () => {
    const plain = mixed.map(({ group: _, ...rest }) => rest);
    const planned = (operations: readonly OperationTemplate[]) =>
      [...openSchedule(open(200, operations), 9, 31, 4, groups)].map(
        ({ atUs, template, target }) => [atUs, template, target],
      );
    expect(planned(mixed)).toEqual(planned(plain));
  });

  it('without accounts is an error', () => {
    const plan = openSchedule(open(10, [operation('x', { group: 'ci' })]), 1, 31, 1, groups);
    expect(() => [...plan]).toThrow('operation x: no account is of the group ci');
  });
});

describe('a mix', () => {
  const honest = open(80, [
    operation('work', { group: 'honest' }),
    operation('read', { group: 'honest', weight: 2 }),
  ]);
  const bots = open(40, [operation('scrape', { group: 'bot' })], { arrivals: 'constant' });
  const waves = open(25, [operation('login')], { arrivals: 'bursts', burstEveryMs: 400 });
  const mix = mixOf([honest, bots, waves]);
  const plan = (workload: MixWorkload, seed = 3) => [...mixSchedule(workload, seed, 31, 4, groups)];

  it('merges its streams by time, equal instants in the order of the streams', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const all = plan(mix, seed);
        const streamOf = [0, 0, 1, 2];
        for (const [index, one] of all.entries()) {
          const before = all[index - 1];
          if (before === undefined) continue;
          expect(before.atUs).toBeLessThanOrEqual(one.atUs);
          if (before.atUs < one.atUs) continue;
          expect(streamOf[before.template]!).toBeLessThanOrEqual(streamOf[one.template]!);
        }
        expect(all.filter(({ template }) => template === 2)).toHaveLength(80);
        expect(all.filter(({ template }) => template === 3)).toHaveLength(50);
        expect(all).toEqual(plan(mix, seed));
      }),
      { numRuns: 20 },
    );
    expect(plan(mix, 4)).not.toEqual(plan(mix, 5));
  });

  it('has independent streams', () => {
    const louder = mixOf([honest, { ...bots, stages: [{ ratePerSecond: 90, durationMs: 2_000 }] }]);
    const ofFirst = (workload: MixWorkload) =>
      plan(workload).filter(({ template }) => template < 2);
    expect(ofFirst(louder)).toEqual(ofFirst(mix));
    // Two streams that are declared alike are still two.
    const twins = mixOf([honest, { ...honest, operations: [operation('a'), operation('b')] }]);
    const times = (from: number, to: number) =>
      plan(twins)
        .filter(({ template }) => template >= from && template <= to)
        .map(({ atUs }) => atUs);
    expect(times(0, 1)).not.toEqual(times(2, 3));
  });

  it('uses the accounts of each group evenly', () => {
    for (const [template, members] of [
      [2, 10],
      [3, 31],
    ] as const) {
      const used = plan(mix).filter((one) => one.template === template);
      const { size, of } = spread(used.map(({ account }) => account));
      expect([size, of <= 1]).toEqual([members, true]);
    }
  });

  it('is as long as its streams, with the retries of any of them', () => {
    expect(plannedMs(mix)).toBe(2_000);
    const retry = { attempts: 2, baseMs: 1, capMs: 50, statuses: [], onNextInstance: false };
    const retried = mixOf([honest, open(1, [operation('again', { retry })])]);
    expect(maxDurationMs(retried, { credentials: 0, targets: 1 }, 1_000)).toBe(2_000 + 2_000 + 50);
    const slow = mixOf([bots, open(1, [operation('log in', { timeoutMs: 3_000 })])]);
    expect(maxDurationMs(slow, { credentials: 0, targets: 1 }, 1_000)).toBe(2_000 + 3_000);
  });

  it.each([
    ['no stream', mixOf([]), 'a mix needs a stream'],
    ['a stream that is wrong', mixOf([honest, open(-1, [operation('x')])]), 'ratePerSecond'],
    ['operations of its own', { ...mix, operations: mix.operations.slice(1) }, 'use mixOf'],
    ['a name in two streams', mixOf([bots, bots]), 'operation scrape is in a mix twice'],
    [
      'streams of two lengths',
      mixOf([bots, open(1, [operation('x')], { stages: [{ ratePerSecond: 1, durationMs: 9 }] })]),
      'end together, got 2000, 9 ms',
    ],
  ])('with %s is refused', (_, workload, why) => {
    expect(() => validate(workload)).toThrow(why);
  });

  it('survives serialization to another process', () => {
    const sent = JSON.parse(JSON.stringify(mix)) as MixWorkload;
    expect(plan(sent)).toEqual(plan(mix));
  });
});

describe('what cannot be played is refused', () => {
  it.each([
    ['bursts without a period', { arrivals: 'bursts' as const }, 'burstEveryMs'],
    ['a period without bursts', { burstEveryMs: 100 }, 'belong to bursts, not to poisson'],
    [
      'an offset of a whole period',
      { arrivals: 'bursts' as const, burstEveryMs: 100, burstOffsetMs: 100 },
      'less than burstEveryMs',
    ],
  ])('%s', (_, part, why) => {
    expect(() => validate(open(1, [operation('x')], part))).toThrow(why);
  });

  it('a group in a closed load', () => {
    const users = {
      kind: 'users' as const,
      users: 1,
      think: { meanMs: 1, shape: 1 },
      startBusy: 0,
      durationMs: 1,
      operations: [operation('x', { group: 'bot' })],
    };
    expect(() => validate(users)).toThrow('the users of a closed load have no groups');
  });
});
