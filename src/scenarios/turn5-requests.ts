/** The requests of turn 5: build agents, the busy and the greedy ones, a thief, other customers, and watchers. */
import type { OperationRecord } from '../sim/history.ts';
import { defineOperation } from './limit-scenario-parts.ts';

export const BUILD = 'build';
const PATH = '/projects';
/** Like build tools: up to five attempts with short backoff. */
export const build = ({ windowMs }: { readonly windowMs: number }) =>
  defineOperation({
    name: BUILD,
    path: PATH,
    group: 'agents',
    retry: {
      attempts: 5,
      baseMs: windowMs / 20,
      capMs: windowMs / 4,
      statuses: [429],
      onNextInstance: false,
    },
  });
export const busy = defineOperation({ name: 'release build', path: PATH, group: 'busy' });
export const search = defineOperation({
  name: 'release search',
  path: '/projects/search?q=alpha',
  group: 'busy',
});
/** A search costs five units. */
export const unitsOf = ({ name }: OperationRecord) => (name === search.name ? 5 : 1);
export const greedy = defineOperation({ name: 'greedy build', path: PATH, group: 'greedy' });
export const steal = defineOperation({
  name: 'stolen key',
  path: PATH,
  group: 'thief',
  // A new agent name for each request.
  headers: { 'x-agent': 'build-{op}', 'user-agent': 'agent {op}' },
});
export const tenant = [
  defineOperation({ name: 'list projects', path: PATH, group: 'tenants', weight: 65 }),
  defineOperation({
    name: 'read project',
    group: 'tenants',
    weight: 35,
    path: '/projects/{project}',
  }),
];
/** Polls the own recent activity: each watcher a little after a page in the cache must no longer be used. */
export const WATCHERS = 6;
export const STALENESS_MS = 2_000;
export const WATCH_EVERY_MS = 2_250;
export const watch = defineOperation({
  name: 'watch',
  path: '/activity',
  group: 'watchers',
  capture: true,
});
export const tenantNames = tenant.map(({ name }) => name);
