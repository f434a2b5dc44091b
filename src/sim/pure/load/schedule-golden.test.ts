import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openSchedule, sweepSchedule, userPlan } from './schedule.ts';
import type { OpenWorkload, OperationTemplate, PlannedOperation } from './workload.ts';

// The incidents that are published name their seeds: what those planned then, they plan now.
const operation = (name: string, weight: number): OperationTemplate => ({
  name,
  weight,
  method: 'GET',
  path: '/',
});
const operations = [operation('check', 300), operation('logout', 17), operation('probe', 30)];
const stages = [
  { ratePerSecond: 347, durationMs: 1_750 },
  { ratePerSecond: 0, endRatePerSecond: 120.5, durationMs: 900 },
];
const open = (arrivals: OpenWorkload['arrivals']): OpenWorkload => ({
  kind: 'open',
  arrivals,
  stages,
  operations,
});

function digest(plan: Iterable<PlannedOperation>): string {
  const hash = createHash('sha256');
  for (const { atUs, account, template, target } of plan) {
    hash.update(`${atUs} ${account} ${template} ${target}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

describe('a schedule without groups', () => {
  it.each([
    ['constant', openSchedule(open('constant'), 42, 600, 4), 'cfc8c09bac8448c0'],
    ['poisson', openSchedule(open('poisson'), 42, 600, 4), '92fb4740f6c084eb'],
    ['one account, one target', openSchedule(open('poisson'), 7, 1), 'c40ea616994d3e72'],
    [
      'a sweep',
      sweepSchedule(
        {
          kind: 'sweep',
          as: 'live',
          everyTarget: true,
          ratePerSecond: 700,
          operations: [operation('check', 1)],
        },
        ...([42, 600, 4] as const),
      ),
      'c820f68d94031d77',
    ],
  ] as const)('is what it was: %s', (_, plan, expected) => {
    expect(digest(plan)).toBe(expected);
  });

  it('is what it was: a user who thinks', () => {
    const think = { meanMs: 1_000, shape: 2 };
    const people = {
      kind: 'users',
      users: 40,
      think,
      startBusy: 5,
      durationMs: 1,
      operations,
    } as const;
    const hash = createHash('sha256');
    for (const user of [0, 37]) {
      const plan = userPlan(people, 42, user, 4);
      for (let step = 0; step < 50; step += 1) hash.update(JSON.stringify(plan.next().value));
    }
    expect(hash.digest('hex').slice(0, 16)).toBe('1dceeaf7e4385046');
  });
});
