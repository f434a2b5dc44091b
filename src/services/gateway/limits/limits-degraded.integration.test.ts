/** Concurrency limits, changed settings, Redis down. Real stores, a window of two seconds. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { findDesign } from '../../lineage.ts';
import { writeLimitSettings } from '../../rate-limit/settings.ts';
import { SEED_PASSWORD, seedEmail } from '../../sessions/seed.ts';
import { openConnection } from '../clients.ts';
import { bearer, client, type Reply, type Send } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  schemaUrl,
  smallSize,
  startPlatform,
  withCheapPasswords,
} from '../fixtures/platform.ts';
import { withLimitWindow } from './limit-window.ts';

const { postgres, redis } = ownStores('degraded');
let platform: Platform;
let anonymous: Send;

beforeAll(async () => {
  const design = withLimitWindow(withCheapPasswords(findDesign('turn5.after')), 2_000);
  const given = { schema: 'degraded', design };
  await prepareSchema(postgres.url, { ...given, size: smallSize });
  platform = await startPlatform({
    ...given,
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    evidence: true,
  });
  anonymous = client(platform.url);
});

afterAll(() => platform?.stop());

const loginAs = async (id: string) =>
  client(platform.url, bearer((await platform.login(id)).token));
const modeOf = (reply: Reply) =>
  /mode=(\w+)/.exec(reply.headers.get('x-limit-decision') ?? '')?.[1];
const quotaOf = (reply: Reply) =>
  Number(/"user";q=(\d+)/.exec(reply.headers.get('ratelimit-policy')!)![1]);

describe('a concurrency limit', () => {
  const search = '/projects/search?q=a';

  it('holds while the requests run, and no longer', async () => {
    const send = await loginAs('12');
    // Searches wait for the table while another transaction has locked it.
    const locked = await openConnection(schemaUrl(postgres.url, 'degraded'));
    await locked.query({ text: 'BEGIN; LOCK TABLE projects' });
    const statuses: number[] = [];
    const replies = Promise.all(
      Array.from({ length: 6 }, async () => {
        const reply = await send('GET', search);
        statuses.push(reply.status);
        return reply;
      }),
    );
    await expect.poll(() => statuses, { timeout: 5_000 }).toEqual([429, 429]);
    await locked.close();
    const refused = (await replies).filter(({ status }) => status === 429);
    expect(statuses.slice(2)).toEqual([200, 200, 200, 200]);
    for (const { headers, body } of refused) {
      expect(body['violated-policies']).toEqual(['search-concurrent']);
      expect(headers.get('ratelimit-policy')).toContain(
        '"search-concurrent";q=4;qu="concurrent-requests"',
      );
    }
  });

  it('refuses no client that keeps to it', async () => {
    const send = await loginAs('13');
    const statuses: number[] = [];
    const sendInSequence = async () => {
      for (let i = 0; i < 5; i += 1) statuses.push((await send('GET', search)).status);
    };
    await Promise.all([1, 2, 3, 4].map(sendInSequence));
    expect(statuses).toEqual(Array(20).fill(200));
  });
});

describe('a limit that is changed', () => {
  it('holds for the next requests of a running process within two seconds', async () => {
    const send = await loginAs('11');
    const setting = { scope: 'organisation', name: '11', policy: 'user' } as const;
    expect(quotaOf(await send('GET', '/session'))).toBe(100);
    // Written as by another process: this one gets no notice.
    await writeLimitSettings(platform.db, [{ ...setting, limit: 3, mode: 'enforce' }]);
    const quota = async () => quotaOf(await send('GET', '/session'));
    await expect.poll(quota, { timeout: 2_000, interval: 100 }).toBe(3);
    await writeLimitSettings(platform.db, [{ ...setting, limit: 1, mode: 'shadow' }]);
    const statuses = async () => [
      (await send('GET', '/session')).status,
      (await send('GET', '/session')).status,
    ];
    await expect.poll(statuses, { timeout: 5_000, interval: 100 }).toEqual([200, 200]);
    const { body } = await client(platform.operationsUrl)('GET', '/metrics');
    expect(body).toMatch(/^rate_limiter_shadow_refused_total\{policy="user"\} [1-9]/m);
  });
});

describe('while Redis does not respond', () => {
  it('reads are admitted by a share that the headers show, logins are refused, and both recover', async () => {
    const send = await loginAs('9');
    expect([modeOf(await send('GET', '/me')), quotaOf(await send('GET', '/me'))]).toEqual([
      'store',
      100,
    ]);

    // SIGSTOP: the connection stays open and nothing responds.
    process.kill(redis.pid, 'SIGSTOP');
    try {
      const reads: Reply[] = [];
      for (let i = 0; i < 15; i += 1) reads.push(await send('GET', '/me'));
      expect(reads.slice(0, 5).map(({ status }) => status)).toEqual(Array(5).fill(200));
      const local = reads.filter((reply) => modeOf(reply) === 'share');
      expect(local.length).toBeGreaterThanOrEqual(14);
      // A tenth, until no process has used Redis for a window.
      expect(quotaOf(local[0]!)).toBe(10);

      const body = { email: seedEmail(10), password: SEED_PASSWORD };
      const login = await anonymous('POST', '/login', { body });
      expect(login.status).toBe(503);
      expect(login.body.type).toBe(
        'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
      );
      expect(Number(login.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(modeOf(login)).toBe('closed');
      expect((await anonymous('GET', '/readyz')).status).toBe(200);
      const { body: metrics } = await client(platform.operationsUrl)('GET', '/metrics');
      expect(metrics).toMatch(
        /^rate_limiter_decisions_total\{mode="share",outcome="admitted"\} \d/m,
      );
      expect(metrics).toMatch(
        /^rate_limiter_decisions_total\{mode="closed",outcome="refused"\} 1$/m,
      );
      expect(metrics).toMatch(/^rate_limiter_breaker_open 1$/m);
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
    const mode = async () => {
      const reply = await send('GET', '/me');
      return `${reply.status} ${modeOf(reply)}`;
    };
    await expect.poll(mode, { timeout: 15_000, interval: 200 }).toBe('200 store');
    const login = await anonymous('POST', '/login', {
      body: { email: seedEmail(10), password: SEED_PASSWORD },
    });
    expect([login.status, login.body.detail]).toEqual([200, undefined]);
    // The outage is reported, but not once per request.
    expect(platform.reports.filter((text) => /limiter|rate/.test(text)).length).toBeLessThan(5);
  }, 60_000);
});
