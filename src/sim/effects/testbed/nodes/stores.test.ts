import { expect, test } from 'vitest';
import type { NodeSpec, PostgresSpec, RedisSpec, Topology } from '../../../topology.ts';
import { readClusterNodes } from '../stores/redis-cluster.ts';
import { postgresKind } from './postgres.ts';
import { redisKind } from './redis.ts';

type Nodes = Readonly<Record<string, NodeSpec>>;
const topologyOf = (nodes: Nodes): Topology => ({ nodes, edges: [], jobs: [] });

function problems(nodes: Nodes): string[] {
  const topology = topologyOf(nodes);
  return Object.entries(nodes).flatMap(([name, spec]) => {
    if (spec.kind === 'postgres') {
      return postgresKind.problems(name, spec as PostgresSpec, topology);
    }
    if (spec.kind === 'redis') return redisKind.problems(name, spec as RedisSpec, topology);
    return [];
  });
}

const pg = (more: Partial<PostgresSpec> = {}): PostgresSpec => ({ kind: 'postgres', ...more });
const redis = (more: Partial<RedisSpec> = {}): RedisSpec => ({ kind: 'redis', ...more });
const step = { name: 'template', module: 'services/jobs/template.js' };

test('valid stores have no problems', () => {
  expect(
    problems({
      postgres: pg({ settings: { shared_buffers: '16MB' }, template: [step] }),
      replica: pg({ standbyOf: 'postgres', template: [] }),
      second: pg({ standbyOf: 'postgres' }),
      other: pg({ replaceable: true }),
      redis: redis({ replaceable: true, settings: { maxmemory: '10mb' } }),
      pair: redis({ mode: 'replica' }),
      cluster: redis({ mode: 'cluster', masters: 3 }),
      kept: redis({ mode: 'cluster', replaceable: { no: 'its slots are part of the test' } }),
    }),
  ).toEqual([]);
});

test.each<[string, Nodes, string[]]>([
  ['itself', { a: pg({ standbyOf: 'a' }) }, ['a is a standby of itself']],
  ['unknown', { a: pg({ standbyOf: 'b' }) }, ['a is a standby of b, which does not exist']],
  [
    'a name of every object',
    { a: pg({ standbyOf: 'constructor' }) },
    ['a is a standby of constructor, which does not exist'],
  ],
  [
    'no database',
    { a: pg({ standbyOf: 'b' }), b: redis() },
    ['a is a standby of b, which is not postgres but redis'],
  ],
  [
    'a cycle',
    { a: pg({ standbyOf: 'b' }), b: pg({ standbyOf: 'c' }), c: pg({ standbyOf: 'a' }) },
    [
      'a is a standby of b in a cycle',
      'b is a standby of c in a cycle',
      'c is a standby of a in a cycle',
    ],
  ],
  [
    'a standby',
    { a: pg(), b: pg({ standbyOf: 'a' }), c: pg({ standbyOf: 'b' }) },
    ['c is a standby of b, which is itself a standby'],
  ],
])('a standby of %s is refused', (_what, nodes, expected) => {
  expect(problems(nodes)).toEqual(expected);
});

test('a standby has the data and the server of its primary', () => {
  const standby = pg({ standbyOf: 'a', template: [step], replaceable: true });
  expect(problems({ a: pg(), b: standby })).toEqual([
    "b is a standby and has a template, but its data is the primary's",
    'b is a standby and cannot be replaced by DATABASE_URL',
  ]);
  expect(problems({ a: pg({ replaceable: true }), b: pg({ standbyOf: 'a' }) })).toEqual([
    'a is replaceable by DATABASE_URL, but b is its standby',
  ]);
});

test('two nodes cannot share one replacement', () => {
  expect(problems({ a: pg({ replaceable: true }), b: pg({ replaceable: true }) })).toEqual([
    'b and a are both replaceable by DATABASE_URL',
  ]);
  expect(problems({ a: redis({ replaceable: true }), b: redis({ replaceable: true }) })).toEqual([
    'b and a are both replaceable by REDIS_URL',
  ]);
});

test('reserved settings are rejected, in upper and lower case', () => {
  expect(
    problems({ a: pg({ settings: { port: '1', Data_Directory: '/x', work_mem: '1MB' } }) }),
  ).toEqual([
    'a sets port, which the testbed sets itself',
    'a sets Data_Directory, which the testbed sets itself',
  ]);
  expect(
    problems({ a: redis({ settings: { 'cluster-enabled': 'yes', requirepass: 'x' } }) }),
  ).toEqual([
    'a sets cluster-enabled, which the testbed sets itself',
    'a sets requirepass, which the testbed sets itself',
  ]);
  const minimal = pg({ settings: { wal_level: 'minimal' } });
  expect(problems({ a: minimal })).toEqual([]);
  expect(problems({ a: minimal, b: pg({ standbyOf: 'a' }) })).toEqual([
    'a sets wal_level to minimal, but b is its standby',
  ]);
});

test.each([2, 0, 21, 3.5, Number.NaN])('a cluster of %s masters is rejected', (masters) => {
  expect(problems({ a: redis({ mode: 'cluster', masters }) })).toEqual([
    `a has ${masters} masters, but a cluster has 3 to 20`,
  ]);
});

test('only a cluster has masters, and only a single server can be replaced', () => {
  expect(problems({ a: redis({ masters: 3 }) })).toEqual([
    'a says how many masters it has, but is not a cluster',
  ]);
  expect(problems({ a: redis({ mode: 'replica', replaceable: true }) })).toEqual([
    'a is a pair and cannot be replaced by REDIS_URL',
  ]);
});

test('members and descriptions', () => {
  expect(postgresKind.members('eu.postgres', pg())).toEqual(['eu.postgres']);
  expect(postgresKind.describe('a', pg())).toBe('PostgreSQL');
  expect(postgresKind.describe('a', pg({ standbyOf: 'b' }))).toBe('PostgreSQL, standby of b');
  expect(redisKind.members('redis', redis())).toEqual(['redis']);
  expect(redisKind.members('r', redis({ mode: 'replica' }))).toEqual(['r.1', 'r.2']);
  expect(redisKind.members('r', redis({ mode: 'cluster', masters: 4 }))).toHaveLength(8);
  expect(redisKind.describe('r', redis())).toBe('Redis');
  expect(redisKind.describe('r', redis({ mode: 'replica' }))).toBe(
    'Redis, a primary and a replica',
  );
  expect(redisKind.describe('r', redis({ mode: 'cluster' }))).toBe(
    'Redis Cluster, 3 masters with one replica each',
  );
});

test('readClusterNodes parses CLUSTER NODES', () => {
  const text = [
    'a1 127.0.0.1:20001@30001,host myself,master - 0 0 1 connected 0-5460 [5461->-b2]',
    'b2 127.0.0.1:20002@30002 slave,fail a1 0 0 1 disconnected',
    'c3 127.0.0.1:20003@30003 master - 0 0 3 connected [7->-a1]',
    '',
  ].join('\n');
  expect(readClusterNodes(text)).toEqual([
    { id: 'a1', port: 20001, flags: ['myself', 'master'], masterId: null, hasSlots: true },
    { id: 'b2', port: 20002, flags: ['slave', 'fail'], masterId: 'a1', hasSlots: false },
    { id: 'c3', port: 20003, flags: ['master'], masterId: null, hasSlots: false },
  ]);
});
