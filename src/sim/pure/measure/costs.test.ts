import { expect, it } from 'vitest';
import { costsBetween, namedCounters, type WorkCounter } from './costs.ts';

const cpu = (cpuUs: number) => ({
  atUs: 0,
  groups: { gateway: { cpuUs, rssBytes: 1 }, sender: { cpuUs, rssBytes: 1 } },
});
const counter = (id: string, value: number | null): WorkCounter => ({
  id,
  label: id,
  unit: 'count',
  value,
});
const work = (n: number): WorkCounter[] => [
  counter('statements', n),
  counter('walBytes', 10 * n),
  counter('redisCommands', n),
];

it('divides counters by operations, excluding the load generator', () => {
  const span = { cpu: { from: cpu(0), to: cpu(5_000) }, operations: 100 };
  const costs = costsBetween({ ...span, before: work(50), after: work(250) });
  expect(costs.map(({ id, value }) => [id, value])).toEqual([
    ['statements', 2],
    ['walBytes', 20],
    ['redisCommands', 2],
    ['gatewayCpu', 50],
  ]);
});

it('says null for a counter that was not read, was set back, or had no operation', () => {
  const span = { cpu: { from: cpu(0), to: cpu(0) }, operations: 100 };
  const unread = [counter('statements', null), ...work(9).slice(1)];
  const of = (input: Parameters<typeof costsBetween>[0]) => costsBetween(input).map((c) => c.value);
  expect(of({ ...span, before: unread, after: work(250) })[0]).toBeNull();
  expect(of({ ...span, before: work(9), after: work(2) })).toEqual([null, null, null, 0]);
  expect(of({ ...span, before: work(1), after: work(2), operations: 0 })[3]).toBeNull();
});

it('names the counters of a further store of a kind by its node', () => {
  const counters = [counter('statements', 1)];
  const named = namedCounters([
    { name: 'postgres', counters },
    { name: 'eu.postgres', counters },
  ]);
  expect(named.map(({ id, label }) => [id, label])).toEqual([
    ['statements', 'statements'],
    ['eu.postgres.statements', 'statements, eu.postgres'],
  ]);
});
