/** Who sends what in turn 2: people, and bots of six kinds. */
import type { OperationTemplate } from '../sim/pure/workload.ts';
import { request } from './limit-drill.ts';

export const honest: readonly OperationTemplate[] = [
  request({ name: 'list projects', path: '/projects', weight: 60, group: 'honest' }),
  request({ name: 'read project', path: '/projects/{project}', weight: 35, group: 'honest' }),
  request({ name: 'search', path: '/projects/search?q=alpha', weight: 5, group: 'honest' }),
];
export const honestNames = honest.map(({ name }) => name);
export const login = request({
  ...{ name: 'log in', path: '/login', method: 'POST', group: 'honest', anonymous: true },
  body: { email: '{email}', password: '{password}' },
  headers: { 'x-forwarded-for': '{address}' },
});
export const scrape = request({
  ...{ name: 'scrape', path: '/projects/search?q=a', group: 'scraper' },
});
export const stuff = request({
  ...{ name: 'stuff', path: '/login', method: 'POST', group: 'stuffer', anonymous: true },
  body: { email: '{victim}', password: 'guessed {op}' },
  // What a client writes there itself stands to the left of what the balancer adds.
  headers: { 'x-forwarded-for': '2001:db8:{opHex}::1, {address}' },
});
export const manyKeys = request({ name: 'many keys', path: '/projects', group: 'keys' });
export const roaming = request({ name: 'roaming key', path: '/projects', group: 'roaming' });
/** One request more than they may, and the patience to wait as long as they are told. */
export const polite = request({
  ...{ name: 'polite', path: '/projects', group: 'polite' },
  retry: {
    ...{ attempts: 2, baseMs: 0, capMs: 0, statuses: [429], elsewhere: false },
    obeyRetryAfter: true,
  },
});
/** In parts, as far apart as a generator needs to send each on time. */
export const bursts = [1, 2, 3, 4].map((part) =>
  request({ name: `burst ${part}`, path: '/projects', group: 'burst' }),
);
