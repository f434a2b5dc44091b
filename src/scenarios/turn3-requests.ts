/** The requests of turn 3, and what the record of each must say. */
import type { OperationTemplate } from '../sim/pure/load/workload.ts';
import { type AuditField, idInAnswer, type RecordRule } from './invariants/audit-records.ts';

/** No project has this id. */
const UNKNOWN_PROJECT = '0f9d3c52-6f3e-4d7c-9d51-3a1f5f1f7b11';
/** Reads are retried on the next instance, rarely enough not to prolong an overload. */
const retryReads: Pick<OperationTemplate, 'retry'> = {
  retry: { attempts: 3, baseMs: 150, capMs: 1_000, statuses: [503], onNextInstance: true },
};
/**
 * Where a request says it comes from. Address and device are sealed together and the last sealed value of a user is
 * reused, so some operations always come from the same place and others from one of their own.
 */
const fromOffice = (device: string): Pick<OperationTemplate, 'headers'> => ({
  headers: { 'x-forwarded-for': '203.0.113.7', 'user-agent': device },
});
const fromAnywhere = (device: string): Pick<OperationTemplate, 'headers'> => ({
  headers: { 'x-forwarded-for': 'fd03:{opHex}::1', 'user-agent': `${device} {op}` },
});
const read = (
  name: string,
  path: string,
  weight: number,
  from: Pick<OperationTemplate, 'headers'>,
): OperationTemplate => ({
  name,
  path,
  weight,
  method: 'GET',
  group: 'people',
  ...from,
  ...retryReads,
});
export const check = read('check', '/session', 40, fromOffice('browser'));
const list = read('list projects', '/projects', 20, fromOffice('app'));
const readProject: OperationTemplate = {
  ...read('read project', '/projects/{project}', 15, fromAnywhere('app')),
  capture: true,
};
const readForeign = read(
  "read another's project",
  `/projects/${UNKNOWN_PROJECT}`,
  6,
  fromAnywhere('browser'),
);
const admin = read('administrate', '/admin/rate-limits', 4, fromAnywhere('console'));
export const create: OperationTemplate = {
  name: 'create project',
  path: '/projects',
  method: 'POST',
  weight: 25,
  group: 'people',
  body: { name: 'Project {op}' },
  capture: true,
  ...fromAnywhere('app'),
};
const build: OperationTemplate = {
  ...read('build', '/projects', 6, fromAnywhere('pipeline')),
  group: 'builders',
};
const buildByAgent: OperationTemplate = {
  ...read('build by agent', '/projects', 4, fromAnywhere('agent')),
  group: 'agents',
};
const greedy: OperationTemplate = {
  name: 'ask too often',
  path: '/session',
  method: 'GET',
  weight: 8,
  group: 'greedy',
  ...fromAnywhere('script'),
};
export const operations = [
  check,
  list,
  readProject,
  readForeign,
  admin,
  create,
  build,
  buildByAgent,
  greedy,
];
/** Operations that succeed when there is no fault. */
export const successful = [check, list, readProject, create, build, buildByAgent].map(
  ({ name }) => name,
);

/** The logged action of each operation. */
export const actions: Readonly<Record<string, string>> = {
  [check.name]: 'session.read',
  [list.name]: 'project.list',
  [readProject.name]: 'project.read',
  [readForeign.name]: 'project.read',
  [admin.name]: 'rate-limit.list',
  [create.name]: 'project.create',
  [build.name]: 'project.list',
  [buildByAgent.name]: 'project.list',
  [greedy.name]: 'session.read',
};
/** What the record of each operation says of its resource, and why it was refused. */
export const rules: Readonly<Record<string, RecordRule>> = {
  [check.name]: { resourceType: 'session', resource: null },
  [list.name]: { resourceType: 'project', resource: null },
  [readProject.name]: { resourceType: 'project', resource: idInAnswer },
  [readForeign.name]: {
    resourceType: 'project',
    resource: UNKNOWN_PROJECT,
    reasons: { 404: 'project-not-found' },
  },
  [admin.name]: {
    resourceType: 'rate-limit',
    resource: null,
    reasons: { 403: 'not-administrator' },
  },
  [create.name]: { resourceType: 'project', resource: idInAnswer },
  [build.name]: { resourceType: 'project', resource: null },
  [buildByAgent.name]: { resourceType: 'project', resource: null },
  [greedy.name]: { resourceType: 'session', resource: null },
};
/** All but the region, of which there is one. */
export const MUST_HAVE_SEEN: readonly AuditField[] = [
  'organisation',
  'session',
  'key',
  'agent',
  'resourceType',
  'resource',
  'reason',
  'service',
  'address',
  'device',
];
