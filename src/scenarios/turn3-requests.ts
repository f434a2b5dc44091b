/** The requests of turn 3, and what the record of each must say. */
import type { OperationTemplate } from '../sim/pure/load/workload.ts';
import type { DenialRule } from './invariants/audit-denials.ts';
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
/** Administrators set limits of their organisations, whose ids are theirs; a record says to what. */
const limits = [40, 50].map((limit) => ({ limit, mode: 'enforce' }));
const setLimit = limits.map(
  (body): OperationTemplate => ({
    name: `allow ${body.limit}`,
    path: '/admin/rate-limits/organisation/{id}/user',
    method: 'PUT',
    weight: 1,
    group: 'administrators',
    body,
    ...fromAnywhere('console'),
  }),
);
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
  ...setLimit,
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
  ...Object.fromEntries(setLimit.map(({ name }) => [name, 'rate-limit.set'])),
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
  ...Object.fromEntries(
    setLimit.map(({ name, body }): [string, RecordRule] => [
      name,
      { resourceType: 'rate-limit', changedTo: JSON.stringify(body) },
    ]),
  ),
};
/** Refused before it is known whose they are: they leave no record each, but their number. */
const stranger = (
  name: string,
  path: string,
  more: Partial<OperationTemplate> & Required<Pick<OperationTemplate, 'headers'>>,
): OperationTemplate => ({
  name,
  path,
  method: 'GET',
  weight: 1,
  group: 'people',
  anonymous: true,
  ...more,
});
const fromNetwork = (last: number) => ({ 'x-forwarded-for': `203.0.113.${last}` });
const keyForSession: OperationTemplate = {
  ...stranger('use a key as a session', '/session', { headers: fromNetwork(21) }),
  anonymous: false,
  group: 'builders',
};
const bogusToken = stranger('guess a token', '/projects', {
  headers: { ...fromNetwork(22), authorization: 'Bearer guessed{op}' },
});
const unknownPath = stranger('look for holes', '/admin.php', { headers: fromNetwork(23) });
const wrongMethod = stranger('try another method', '/projects', {
  method: 'PUT',
  headers: fromNetwork(24),
});
const otherSite = stranger('log out from another site', '/logout', {
  method: 'POST',
  headers: {
    ...fromNetwork(25),
    cookie: '__Host-session=guessed{op}',
    'sec-fetch-site': 'cross-site',
  },
});
export const denialOperations = [keyForSession, bogusToken, unknownPath, wrongMethod, otherSite];
/** Those of known users. */
export const countedOperations = [keyForSession.name];
/** What the record of their number says. Beyond 30 a minute, an address is refused before its credential. */
export const denialRules: Readonly<Record<string, DenialRule>> = {
  [keyForSession.name]: {
    action: 'session.read',
    reasons: { 403: 'session-needed', 429: 'rate-limited' },
    known: ['session-needed'],
    address: fromNetwork(21)['x-forwarded-for'],
  },
  [bogusToken.name]: {
    action: 'project.list',
    reasons: { 401: 'unauthenticated', 429: 'rate-limited' },
    address: fromNetwork(22)['x-forwarded-for'],
  },
  [unknownPath.name]: {
    action: 'route.find',
    reasons: { 404: 'not-found', 429: 'rate-limited' },
    address: fromNetwork(23)['x-forwarded-for'],
  },
  [wrongMethod.name]: {
    action: 'route.find',
    reasons: { 405: 'method-not-allowed', 429: 'rate-limited' },
    address: fromNetwork(24)['x-forwarded-for'],
  },
  [otherSite.name]: {
    action: 'session.logout',
    reasons: { 403: 'cross-site-request' },
    address: fromNetwork(25)['x-forwarded-for'],
  },
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
  'changedTo',
];
