/**
 * The traffic of turn 2 that fills every level of the limits: a team that shares its organisation's limit, a member who
 * takes all he may, networks of IPv6 addresses, searches that cost five units and a slot, logins that are refunded, and
 * bursts late in a window and again less than a window later. turn2-level-rules.ts says what each request takes.
 */
import type { OpenWorkload, OperationTemplate } from '../sim/pure/load/workload.ts';
import { defineOperation, openStream } from './limit-scenario-parts.ts';
import { SEARCH_USERS } from './turn2-requests.ts';

const PROJECTS = '/projects';
/** A new interface of the same network (/64) for each request. */
const fromNetwork = (network: string) => ({ 'x-forwarded-for': `fd00:${network}:0:1::{opHex}` });
const SEARCH = '/projects/search?q=alpha';
/** As the scrapers search, for users with as many projects. */
const HEAVY_SEARCH = '/projects/search?q=a';

const operationOf = (group: string, name: string, path = PROJECTS, headers = {}) =>
  defineOperation({ name, path, group, headers });
const credentials = (group: string, name: string, network: string, password: string) =>
  defineOperation({
    name,
    path: '/login',
    method: 'POST',
    group,
    anonymous: true,
    body: { email: '{email}', password },
    headers: fromNetwork(network),
  });

export const team = operationOf('team', 'team');
export const teamSearch = operationOf('team', 'team search', SEARCH);
export const hog = operationOf('hog', 'hog');
export const colleague = operationOf('colleagues', 'colleague');
export const oneNetwork = operationOf('networks', 'one network', PROJECTS, fromNetwork('a1'));
export const otherNetwork = operationOf('networks', 'other network', PROJECTS, fromNetwork('a2'));
export const early = operationOf('late', 'early');
export const late = operationOf('late', 'late burst');
export const again = operationOf('late', 'burst again');
export const searchBurst = operationOf('slots', 'search burst', HEAVY_SEARCH);
export const singleSearch = operationOf('slots', 'single search', HEAVY_SEARCH);
export const modestSearch = operationOf('searchers', 'modest search', SEARCH);
export const loginAgain = credentials('returning', 'log in again', 'b1', '{password}');
export const guessPassword = credentials('guessed', 'guess password', 'b2', 'guessed {op}');
export const guessToken = defineOperation({
  name: 'guess token',
  path: PROJECTS,
  anonymous: true,
  headers: { ...fromNetwork('b3'), authorization: 'Bearer guessed{op}' },
});
/** Counted before the body is read; this one is not valid, so no account is made. */
export const registerBot = defineOperation({
  name: 'register',
  path: '/register',
  method: 'POST',
  anonymous: true,
  body: { email: 'nobody', password: 'guessed {op}' },
  headers: fromNetwork('b4'),
});

/** Limits of the groups below, in any window. */
export const TEAM = { organisation: 20, user: 9 };
export const HOGGED = { organisation: 20, user: 10 };
export const NETWORK = { address: 8 };
export const LATE = { user: 20 };
export const MODEST = { user: 25 };
/** Searches of one user at one time. */
export const SLOTS = 4;
export const levelGroups = [
  { name: 'team', kind: 'sessions', count: 3, oneOrganisation: true, limits: TEAM },
  { name: 'hog', kind: 'sessions', count: 1, limits: HOGGED },
  { name: 'colleagues', kind: 'sessions', count: 2, organisationOf: 'hog' },
  { name: 'networks', kind: 'sessions', count: 1, limits: NETWORK },
  { name: 'late', kind: 'sessions', count: 1, limits: LATE },
  { name: 'searchers', kind: 'sessions', count: 2, limits: MODEST },
  { name: 'returning', kind: 'sessions', count: 1, cheapPasswords: true },
  { name: 'guessed', kind: 'sessions', count: 1, cheapPasswords: true },
  // The last of the users with many projects, whose searches take long enough to overlap.
  { name: 'slots', kind: 'sessions', count: 1, firstUser: SEARCH_USERS },
];

export interface LevelSize {
  readonly windowMs: number;
  /** Requests a second of those whose windows are minutes at every scale. */
  readonly perSecond: Readonly<Record<'again' | 'guesses' | 'tokens' | 'registrations', number>>;
}

/** `every`: part of a window from one burst to the next; `at`: of the first. */
const burstsOf = (
  operation: OperationTemplate,
  size: { windowMs: number; durationMs: number },
  { count, every, at }: { count: number; every: number; at: number },
): OpenWorkload => {
  const everyMs = every * size.windowMs;
  return {
    ...openStream([operation], (count * 1_000) / everyMs, size.durationMs, 'bursts'),
    burstEveryMs: everyMs,
    burstOffsetMs: at * size.windowMs,
  };
};

export function levelTraffic(
  { windowMs, perSecond }: LevelSize,
  durationMs: number,
): readonly OpenWorkload[] {
  const scale = { windowMs, durationMs };
  const steady = (operation: OperationTemplate, ratePerSecond: number) =>
    openStream([operation], ratePerSecond, durationMs, 'constant');
  const perWindow = (operation: OperationTemplate, count: number) =>
    steady(operation, (count * 1_000) / windowMs);
  // A unit, the others late in its window, and as many again when that is over and theirs is not.
  const lateEvery = 1.5;
  return [
    perWindow(team, 1.5 * TEAM.organisation),
    perWindow(teamSearch, 2),
    perWindow(hog, 2 * HOGGED.user),
    perWindow(colleague, 4),
    perWindow(oneNetwork, 2 * NETWORK.address),
    perWindow(otherNetwork, NETWORK.address / 2),
    burstsOf(early, scale, { count: 1, every: lateEvery, at: 0 }),
    burstsOf(late, scale, { count: LATE.user - 1, every: lateEvery, at: 0.75 }),
    burstsOf(again, scale, { count: LATE.user, every: lateEvery, at: 1.45 }),
    burstsOf(searchBurst, scale, { count: 2 * SLOTS, every: 2, at: 0.1 }),
    burstsOf(singleSearch, scale, { count: 1, every: 1, at: 0.7 }),
    perWindow(modestSearch, 6),
    steady(guessPassword, perSecond.guesses),
    steady(guessToken, perSecond.tokens),
    steady(registerBot, perSecond.registrations),
  ];
}

const BURST_PART_MS = 40;

/** Bursts of the whole limit, in parts. */
export const burstsInParts = (
  parts: readonly OperationTemplate[],
  given: { limit: number; firstMs: number; everyMs: number; durationMs: number },
): OpenWorkload[] =>
  parts.map((part, index) => ({
    ...openStream(
      [part],
      (given.limit * 1_000) / parts.length / given.everyMs,
      given.durationMs,
      'bursts',
    ),
    burstEveryMs: given.everyMs,
    burstOffsetMs: given.firstMs + index * BURST_PART_MS,
  }));
