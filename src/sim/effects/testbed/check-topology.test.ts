import { describe, expect, it } from 'vitest';
import type { NodeSpec, Topology } from '../../topology.ts';
import { dependenciesOf, topologyProblems } from './check-topology.ts';

const service = (options: object = {}): NodeSpec => ({
  kind: 'process',
  start: { command: ['node', 'service.mjs'] },
  ...options,
});
const nodes: Topology['nodes'] = {
  db: { kind: 'postgres' },
  cache: { kind: 'redis' },
  web: service({ instances: 2 }),
};
const edges: Topology['edges'] = [
  { from: 'client', to: 'web' },
  { from: 'web', to: 'db', as: 'DATABASE_URL' },
  { from: 'web', to: 'cache', as: 'REDIS_URL' },
];
const topology = (changes: Partial<Topology> = {}): Topology => ({
  nodes,
  edges,
  jobs: [],
  ...changes,
});

describe('topologyProblems', () => {
  it('accepts a service and its stores', () => {
    expect(topologyProblems(topology())).toEqual([]);
  });

  it.each<[string, Partial<Topology>, RegExp]>([
    [
      'an edge to an unknown node',
      { edges: [{ from: 'web', to: 'dbb', as: 'A' }] },
      /there is no node dbb; known: db, cache, web/,
    ],
    [
      'an edge from an unknown node',
      { edges: [{ from: 'wep', to: 'db', as: 'A' }] },
      /there is no node wep/,
    ],
    [
      'an edge from a store',
      { edges: [{ from: 'db', to: 'cache', as: 'A' }] },
      /db is a postgres, and only processes reach others/,
    ],
    [
      'an edge without an address',
      { edges: [{ from: 'web', to: 'db' }] },
      /"as", the name of the address for web, is missing/,
    ],
    [
      'two edges under one address',
      {
        edges: [
          { from: 'web', to: 'db', as: 'URL' },
          { from: 'web', to: 'cache', as: 'URL' },
        ],
      },
      /two of address "URL" of web/,
    ],
    [
      'two edges between the same nodes',
      { edges: [...edges, { from: 'web', to: 'db', as: 'OTHER' }] },
      /two edges web->db/,
    ],
    [
      'a region without a round trip',
      { nodes: { ...nodes, db: { kind: 'postgres', region: 'eu' } } },
      /leads from region local to eu and has no roundTripMs/,
    ],
    [
      'a name of the harness',
      { nodes: { ...nodes, sender: service() } },
      /node "sender": the name is taken/,
    ],
    [
      'a name that reads as one process',
      { nodes: { ...nodes, 'web.2': service() } },
      /node "web\.2"/,
    ],
    [
      'an unknown kind',
      { nodes: { ...nodes, queue: { kind: 'x-kafka' } } },
      /node queue: there is no kind of node "x-kafka"/,
    ],
    [
      'a standby of an unknown primary',
      { nodes: { ...nodes, copy: { kind: 'postgres', standbyOf: 'dbb' } } },
      /copy is a standby of dbb, which does not exist/,
    ],
    [
      'a cycle of standbys',
      {
        nodes: { a: { kind: 'postgres', standbyOf: 'b' }, b: { kind: 'postgres', standbyOf: 'a' } },
        edges: [],
      },
      /in a cycle/,
    ],
    [
      'a cycle of processes',
      {
        nodes: { a: service(), b: service() },
        edges: [
          { from: 'a', to: 'b', as: 'B' },
          { from: 'b', to: 'a', as: 'A' },
        ],
      },
      /a, b need each other to start/,
    ],
    [
      'a job that uses an unknown node',
      { jobs: [{ name: 'seed', role: 'accounts', module: 'x.js', uses: { db: 'dbb' } }] },
      /job seed uses "dbb", which is no node/,
    ],
    [
      'two jobs of a role',
      {
        jobs: ['a', 'b'].map((name) => ({
          name,
          role: 'facts' as const,
          module: 'x.js',
          uses: {},
        })),
      },
      /two of job that makes facts/,
    ],
  ])('refuses %s', (_, changes, message) => {
    expect(topologyProblems(topology(changes)).join('\n')).toMatch(message);
  });

  it('lists the dependencies of a node', () => {
    expect(dependenciesOf('web', topology())).toEqual(['db', 'cache']);
    const pair = topology({
      nodes: { db: nodes.db!, copy: { kind: 'postgres', standbyOf: 'db' } },
      edges: [],
    });
    expect(dependenciesOf('copy', pair)).toEqual(['db']);
  });
});
