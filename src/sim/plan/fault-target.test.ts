import { describe, expect, it } from 'vitest';
import type { Topology } from '../topology.ts';
import {
  membersOf,
  resolveEdgeTarget,
  resolveNodeTarget,
  targetProblems,
  UnknownTarget,
} from './fault-target.ts';

const start = { module: 'services/gateway/main.js' };
const topology: Topology = {
  nodes: {
    'eu.postgres': { kind: 'postgres', region: 'eu' },
    redis: { kind: 'redis' },
    cluster: { kind: 'redis', mode: 'cluster' },
    gateway: { kind: 'process', start, instances: 3 },
    worker: { kind: 'process', start },
    receiver: { kind: 'receiver', endpoints: { ok: { kind: 'healthy' } } },
    queue: { kind: 'x-queue' },
  },
  edges: [
    { from: 'client', to: 'gateway', proxied: true },
    { from: 'gateway', to: 'redis', proxied: true },
    { from: 'gateway', to: 'eu.postgres' },
    { from: 'worker', to: 'receiver' },
  ],
  jobs: [],
};
const place = (target: string) => {
  const { node, member } = resolveNodeTarget(target, topology);
  return { node, member };
};
const edge = (target: string) => {
  const { edge, source, destination } = resolveEdgeTarget(target, topology);
  return { edge: topology.edges.indexOf(edge), source, destination };
};

describe('a node as a target', () => {
  it.each([
    ['redis', { node: 'redis', member: null }],
    ['gateway', { node: 'gateway', member: null }],
    ['gateway.2', { node: 'gateway', member: 'gateway.2' }],
    ['eu.postgres', { node: 'eu.postgres', member: null }],
    ['cluster.6', { node: 'cluster', member: 'cluster.6' }],
    // Of a registered kind the data does not say how many processes it has.
    ['queue.12', { node: 'queue', member: 'queue.12' }],
  ])('%s', (target, found) => expect(place(target)).toEqual(found));

  it.each([
    ['gatway.2', /^there is no node or process gatway\.2; known: .*; did you mean gateway\.2\?$/],
    ['gateway.4', /known: .*gateway, gateway\.1, gateway\.2, gateway\.3, worker/],
    ['gateway.0', /no node or process/],
    ['worker.1', /did you mean worker\?/],
    ['cluster.7', /no node or process/],
    ['', /no node or process/],
    ['gateway->redis', /is an edge, not a node/],
    ['toString', /no node or process/],
  ])('%s is refused', (target, message) => {
    expect(() => place(target)).toThrow(message);
    expect(() => place(target)).toThrow(UnknownTarget);
  });
});

describe('an edge as a target', () => {
  it.each([
    ['gateway->redis', { edge: 1, source: null, destination: null }],
    ['gateway.2->redis', { edge: 1, source: 'gateway.2', destination: null }],
    ['client->gateway', { edge: 0, source: null, destination: null }],
    ['client->gateway.3', { edge: 0, source: null, destination: 'gateway.3' }],
    ['gateway.1->eu.postgres', { edge: 2, source: 'gateway.1', destination: null }],
  ])('%s', (target, found) => expect(edge(target)).toEqual(found));

  it.each([
    [
      'gateway->rediss',
      /^there is no edge gateway->rediss; known: client->gateway, .*did you mean/,
    ],
    ['redis->gateway', /there is no edge/],
    ['client.1->gateway', /there is no edge/],
    ['gateway->client', /there is no edge/],
    ['gateway.9->redis', /there is no edge/],
    ['gateway->redis->worker', /is not an edge/],
    ['redis', /redis is not an edge/],
    ['->', /there is no edge/],
  ])('%s is refused', (target, message) => {
    expect(() => edge(target)).toThrow(message);
    expect(() => edge(target)).toThrow(UnknownTarget);
  });

  it('of a topology without edges says so', () => {
    const bare = { ...topology, edges: [] };
    expect(() => resolveEdgeTarget('gateway->redis', bare)).toThrow(/there are none/);
  });
});

it('problems are the message of an unknown target, and no other error', () => {
  expect(targetProblems(() => place('nobody'))).toEqual([expect.stringContaining('nobody')]);
  expect(
    targetProblems(
      () => place('redis'),
      () => ['asleep'],
    ),
  ).toEqual(['asleep']);
  expect(() =>
    targetProblems(() => {
      throw new Error('a bug');
    }),
  ).toThrow('a bug');
});

it('names the processes of every kind of node', () => {
  const members = Object.entries(topology.nodes).map(([name, spec]) => membersOf(name, spec));
  expect(members.map((names) => names?.length ?? null)).toEqual([1, 1, 6, 3, 1, 1, null]);
  expect(membersOf('gateway', topology.nodes.gateway!)![0]).toBe('gateway.1');
});
