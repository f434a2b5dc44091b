/** The operations of turn 2, of honest users and of six kinds of bots, and the accounts that send them. */
import type { OpenWorkload, OperationTemplate } from '../sim/pure/load/workload.ts';
import { defineOperation, openStream } from './limit-scenario-parts.ts';

export const honest: readonly OperationTemplate[] = [
  defineOperation({ name: 'list projects', path: '/projects', weight: 60, group: 'honest' }),
  defineOperation({
    name: 'read project',
    path: '/projects/{project}',
    weight: 35,
    group: 'honest',
  }),
  defineOperation({ name: 'search', path: '/projects/search?q=alpha', weight: 5, group: 'honest' }),
];
export const honestNames = honest.map(({ name }) => name);
export const login = defineOperation({
  name: 'log in',
  path: '/login',
  method: 'POST',
  group: 'honest',
  anonymous: true,
  body: { email: '{email}', password: '{password}' },
  headers: { 'x-forwarded-for': '{address}' },
});
export const scrape = defineOperation({
  name: 'scrape',
  path: '/projects/search?q=a',
  group: 'scraper',
});
export const stuff = defineOperation({
  name: 'stuff',
  path: '/login',
  method: 'POST',
  group: 'stuffer',
  anonymous: true,
  body: { email: '{victim}', password: 'guessed {op}' },
  // A forged entry is to the left of the one the load balancer adds.
  headers: { 'x-forwarded-for': '2001:db8:{opHex}::1, {address}' },
});
export const manyKeys = defineOperation({ name: 'many keys', path: '/projects', group: 'keys' });
export const roaming = defineOperation({
  name: 'roaming key',
  path: '/projects',
  group: 'roaming',
});
export interface Leaving {
  readonly people: number;
  readonly logoutsPerSecond: number;
}
const work = defineOperation({ name: 'work', path: '/projects', group: 'leaver' });
const logout = defineOperation({
  name: 'log out',
  path: '/logout',
  method: 'POST',
  group: 'leaver',
  revokesCredential: true,
});
const left = defineOperation({
  name: 'left',
  path: '/projects',
  group: 'leaver',
  as: 'just-ended',
});
/** The id of a session that every process remembers, with another secret. */
const forged = defineOperation({
  name: 'forged',
  path: '/projects',
  group: 'leaver',
  headers: { authorization: 'Bearer {forged}' },
});
/**
 * People who work, log out one after the other, and whose tokens are tried again: by then every process has the session in
 * its memory, and asks the limiter whether it lives.
 */
export const leavingStreams = (durationMs: number, leaving: Leaving): OpenWorkload[] => [
  openStream([work], 20, durationMs, 'constant'),
  openStream([logout], leaving.logoutsPerSecond, durationMs, 'constant'),
  openStream([left], 15, durationMs, 'constant'),
  openStream([forged], 4, durationMs, 'constant'),
];

/** One request more than allowed, retried after the Retry-After that the refusal names. */
export const polite = defineOperation({
  name: 'polite',
  path: '/projects',
  group: 'polite',
  retry: {
    attempts: 2,
    baseMs: 0,
    capMs: 0,
    statuses: [429],
    onNextInstance: false,
    obeyRetryAfter: true,
  },
});
/** One burst in four parts, far enough apart for the generator to send each on time. */
const inParts = (name: string, group: string) =>
  [1, 2, 3, 4].map((part) =>
    defineOperation({ name: `${name} ${part}`, path: '/projects', group }),
  );
export const bursts = inParts('burst', 'burst');
/** Just before Redis is killed, and soon after. */
export const outageBursts = inParts('outage burst', 'outage');

/** Numbers of accounts. */
export const HONEST = 40;
const POLITE = 30;
/** Each sends two requests within a second, after the bots have been at work for a while. */
export const politeTwice = (durationMs: number): OpenWorkload => ({
  ...openStream([polite], 2 * POLITE, 1_000, 'constant'),
  stages: [
    { ratePerSecond: 0, durationMs: 2_500 },
    { ratePerSecond: 2 * POLITE, durationMs: 1_000 },
    { ratePerSecond: 0, durationMs: durationMs - 3_500 },
  ],
});

/** Users with many projects. */
export const SEARCH_USERS = 4;

export const accountGroups = ({
  scrapers,
  stuffers,
  leaving,
}: {
  scrapers: number;
  stuffers: number;
  leaving: Leaving;
}) => [
  // The first users are those with many projects to scrape.
  { name: 'scraper', kind: 'sessions', count: scrapers, addresses: scrapers },
  {
    name: 'honest',
    kind: 'sessions',
    count: HONEST,
    firstUser: SEARCH_USERS + 1,
    addresses: HONEST,
  },
  { name: 'burst', kind: 'sessions', count: 1, addresses: 1 },
  { name: 'outage', kind: 'sessions', count: 1, addresses: 1 },
  { name: 'polite', kind: 'sessions', count: POLITE, limits: { user: 1 } },
  { name: 'keys', kind: 'keys', count: 1, keysPerUser: 20, addresses: 1 },
  { name: 'roaming', kind: 'keys', count: 1, keysPerUser: 1, addresses: 30 },
  {
    name: 'stuffer',
    kind: 'sessions',
    count: HONEST,
    addresses: stuffers,
    // A new interface of its network for each account.
    ipv6: true,
    victims: 'honest',
  },
  // Each from an address of its own, which is refused after too many invalid tokens.
  { name: 'leaver', kind: 'sessions', count: leaving.people },
];
