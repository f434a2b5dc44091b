/** The operations of turn 1. */
import { mixOf, type OpenWorkload, type OperationTemplate } from '../sim/pure/load/workload.ts';

type Given = Pick<OperationTemplate, 'name' | 'weight' | 'path'> & Partial<OperationTemplate>;

const get = (given: Given): OperationTemplate => ({ method: 'GET', ...given });
const post = (given: Given): OperationTemplate => ({ method: 'POST', ...given });

const CHECKS_PER_SECOND = 300;
export const LOGINS_PER_SECOND = 0.5;
/** A hash takes a quarter of a second of a core, at the lowest priority, and may wait for a second before. */
const HASH_TIMEOUT_MS = 3_000;
const newSession = { token: 'token', subject: 'sessionId', endsAt: 'endsAt' };
/** Few and short retries, on the next instance, because the first one may be down. */
export const check = get({
  name: 'check',
  weight: CHECKS_PER_SECOND,
  path: '/session',
  retry: { attempts: 2, baseMs: 40, capMs: 200, statuses: [503], onNextInstance: true },
});
/** With a token whose session has ended: every process must refuse it. */
export const probe = get({ name: 'probe', weight: 10, path: '/session', as: 'ended' });

const loginRequest = (given: Given): OperationTemplate =>
  post({
    body: { email: '{email}', password: '{password}' },
    issuesCredential: newSession,
    // Why it was refused: too many logins at once.
    captureHeaders: ['retry-after'],
    timeoutMs: HASH_TIMEOUT_MS,
    ...given,
  });
/** In a browser that is logged in already: the new session replaces the presented one. */
export const login = loginRequest({
  name: 'login',
  weight: LOGINS_PER_SECOND,
  path: '/login',
  group: 'people',
  revokesCredential: true,
});
export const logout = (perSecond: number): OperationTemplate =>
  post({
    name: 'logout',
    weight: perSecond,
    path: '/logout',
    group: 'people',
    revokesCredential: true,
  });

/**
 * A few sessions that every process uses all the time, replaced often: a process that believes its copy for a fifth of a
 * second too long is asked within that time.
 */
const renewals = [
  get({ name: 'use', weight: 30, path: '/session', group: 'hot' }),
  post({
    name: 'renew',
    weight: 4,
    path: '/session/renew',
    group: 'hot',
    revokesCredential: true,
    issuesCredential: newSession,
  }),
  get({ name: 'probe renewed', weight: 20, path: '/session', group: 'hot', as: 'just-ended' }),
];
/** Sessions whose absolute end is near, and stays where it was. */
export const renewAged = post({
  name: 'renew aged',
  weight: 2,
  path: '/session/renew',
  group: 'aged',
  revokesCredential: true,
  issuesCredential: newSession,
});

const administrator = { authorization: 'Bearer {administrator}' };
const revocations = [
  get({ name: 'list sessions', weight: 2, path: '/sessions', group: 'several' }),
  post({
    name: 'end session',
    method: 'DELETE',
    weight: 3,
    path: '/sessions/{subject}',
    group: 'several',
    revokesCredential: true,
  }),
  post({
    name: 'end others',
    weight: 3,
    path: '/sessions/revoke-others',
    group: 'several',
    revokesCredential: 'others',
  }),
  post({
    name: 'end all',
    weight: 3,
    path: '/sessions/revoke-all',
    group: 'several',
    revokesCredential: 'all',
  }),
  // Named after the user's session, sent with the administrator's.
  post({
    name: 'end as admin',
    weight: 1.5,
    path: '/admin/users/{id}/revoke-sessions',
    group: 'several',
    headers: administrator,
    revokesCredential: 'all',
  }),
  post({
    name: 'disable user',
    weight: 1.5,
    path: '/admin/users/{id}/disable',
    group: 'disabled',
    headers: administrator,
    revokesCredential: 'all',
  }),
];
/** The id of a session that lives and is in every cache, with another secret. */
const forged = get({
  name: 'forged',
  weight: 8,
  path: '/session',
  group: 'awake',
  headers: { authorization: 'Bearer {forged}' },
});

/**
 * Sessions that end by themselves while Redis has a copy of them. Of one that idles out, an attempt with another secret
 * makes the copy, and is no use of the session. Afterwards every process must refuse both.
 */
export const expiring = [
  get({ ...forged, name: 'forged dozing', weight: 10, group: 'dozing', as: 'any' }),
  get({ ...probe, name: 'probe dozing', group: 'dozing' }),
  get({ name: 'use expiring', weight: 10, path: '/session', group: 'expiring' }),
  get({ ...probe, name: 'probe expiring', group: 'expiring' }),
];

/** They cost a hash, so each has arrivals of its own: at least one in a phase. */
const passwords = {
  login: { ...login, weight: 1 },
  change: post({
    name: 'change password',
    weight: 1,
    path: '/password',
    body: { currentPassword: '{password}', newPassword: '{newPassword}' },
    group: 'changing',
    revokesCredential: 'all',
    issuesCredential: newSession,
    timeoutMs: HASH_TIMEOUT_MS,
  }),
  changed: loginRequest({
    name: 'log in changed',
    weight: 1,
    path: '/login',
    body: { email: '{email}', password: '{newPassword}' },
    group: 'changing',
    as: 'just-ended',
  }),
  outdated: loginRequest({
    name: 'log in outdated',
    weight: 1,
    path: '/login',
    group: 'changing',
    as: 'just-ended',
  }),
  disabled: loginRequest({
    name: 'log in disabled',
    weight: 1,
    path: '/login',
    group: 'disabled',
    as: 'just-ended',
  }),
  wrong: loginRequest({
    name: 'log in wrong',
    weight: 1,
    path: '/login',
    body: { email: '{email}', password: 'wrong {op}' },
    group: 'people',
    anonymous: true,
  }),
} as const satisfies Record<string, OperationTemplate>;
const PASSWORDS_PER_SECOND = 0.5;

/** Operations that end sessions, all of which must have been seen to. */
export const endingVerbs: readonly string[] = [
  'logout',
  ...[
    ...renewals,
    renewAged,
    ...revocations,
    ...Object.values<OperationTemplate>(passwords),
  ].flatMap(({ name, revokesCredential }) => (revokesCredential === undefined ? [] : [name])),
];

export const openLoad = (
  durationMs: number,
  operations: readonly OperationTemplate[],
): OpenWorkload => ({
  kind: 'open',
  arrivals: 'poisson',
  stages: [{ ratePerSecond: operations.reduce((sum, one) => sum + one.weight, 0), durationMs }],
  operations,
});

interface Mix {
  readonly logoutsPerSecond: number;
  /** In turn, so that a change of the password comes before the logins that depend on it. */
  readonly passwords: readonly (keyof typeof passwords)[];
  /** Without PostgreSQL no renewal is answered, and a session whose renewal was not answered is of no use any more. */
  readonly renewals?: boolean;
}

/** Checks, logouts and the other operations on sessions, at the same time. */
export function mixedLoad(durationMs: number, mix: Mix) {
  const first = [check, logout(mix.logoutsPerSecond), probe, forged, renewAged, ...revocations];
  if (mix.renewals ?? true) first.push(...renewals);
  const later = mix.passwords.map((name, index): OpenWorkload => {
    const silentMs = Math.round((durationMs * (index + 0.1)) / (mix.passwords.length + 1));
    return {
      kind: 'open',
      arrivals: 'constant',
      stages: [
        { ratePerSecond: 0, durationMs: silentMs },
        { ratePerSecond: PASSWORDS_PER_SECOND, durationMs: durationMs - silentMs },
      ],
      operations: [passwords[name]],
    };
  });
  return mixOf([openLoad(durationMs, first), ...later]);
}
