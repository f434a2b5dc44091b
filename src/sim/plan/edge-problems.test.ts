import { expect, it } from 'vitest';
import type { EdgeSpec, Topology } from '../topology.ts';
import { edgeProblems } from './edge-problems.ts';

const nodes: Topology['nodes'] = {
  api: { kind: 'process', start: { module: 'a.js' }, region: 'us' },
  'eu.api': { kind: 'process', start: { module: 'a.js' }, region: 'eu' },
  cluster: { kind: 'redis', mode: 'cluster', region: 'us' },
  database: { kind: 'postgres', region: 'us' },
};
const problems = (...edges: EdgeSpec[]) => edgeProblems({ nodes, edges, jobs: [] });

it('finds nothing wrong with edges that are right', () => {
  expect(
    problems(
      { from: 'client', to: 'eu.api', proxied: true, roundTripMs: 20, jitterMs: 5 },
      { from: 'api', to: 'eu.api', proxied: true, roundTripMs: 80 },
      { from: 'api', to: 'cluster' },
      { from: 'api', to: 'database', logins: ['reader'] },
    ),
  ).toEqual([]);
});

it.each<[EdgeSpec, string]>([
  [
    { from: 'api', to: 'eu.api' },
    'edge api->eu.api leads from region us to eu and has no roundTripMs',
  ],
  [{ from: 'api', to: 'eu.api', roundTripMs: 80 }, 'it needs proxied'],
  [{ from: 'api', to: 'nobody' }, 'there is no node nobody; known: api, eu.api, cluster, database'],
  [{ from: 'nobody', to: 'api' }, 'there is no node nobody'],
  [{ from: 'api', to: 'client' }, 'there is no node client'],
  [{ from: 'api', to: 'api' }, 'leads from a node to itself'],
  [{ from: 'api', to: 'cluster', proxied: true }, 'cannot go through the proxy: a Redis Cluster'],
  [{ from: 'api', to: 'cluster', logins: ['reader'] }, 'has logins, which only a postgres has'],
  [{ from: 'api', to: 'database', logins: ['postgres'] }, '"postgres" is no name for a role'],
  [{ from: 'api', to: 'database', logins: ['platform_owner'] }, 'is no name for a role'],
  [{ from: 'api', to: 'database', logins: ['a"; DROP'] }, 'is no name for a role'],
  [{ from: 'client', to: 'api', proxied: true, roundTripMs: -1 }, 'are at least 0'],
  [{ from: 'client', to: 'api', proxied: true, roundTripMs: 10, jitterMs: 20 }, 'jitterMs is more'],
])('%j', (edge, problem) => {
  expect(problems(edge).join()).toContain(problem);
});

it('refuses two edges between the same ends', () => {
  const edge = { from: 'api', to: 'cluster' };
  expect(problems(edge, { ...edge, as: 'cache' })).toEqual([expect.stringContaining('two edges')]);
});
