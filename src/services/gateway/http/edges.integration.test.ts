/** What the gateway shows at its edges: problems, request ids, OpenAPI, metrics. Small stores, one design. */
import { connect } from 'node:net';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { createOnDemandActivity } from '../../audit/activity/activity-on-demand.ts';
import { findDesign } from '../../lineage.ts';
import type { Database } from '../../ports.ts';
import { seedEmail } from '../../sessions/seed.ts';
import { bearer, client, type Reply, type Send } from '../fixtures/client.ts';
import { type Platform, prepareSchema, smallSize, startPlatform } from '../fixtures/platform.ts';
import { problemSchema } from './problems.ts';

const { postgres, redis } = ownStores('edges');
let platform: Platform;
let anyone: Send;
let someone: Send;

beforeAll(async () => {
  const given = { schema: 'edges', design: findDesign('turn4.after') };
  await prepareSchema(postgres.url, { ...given, size: smallSize });
  platform = await startPlatform({ ...given, databaseUrl: postgres.url, redisUrl: redis.url });
  anyone = client(platform.url);
  someone = client(platform.url, bearer((await platform.login('9')).token));
});

afterAll(() => platform?.stop());

const { $id: _, ...plainProblem } = problemSchema;
const isProblem = new Ajv().compile(plainProblem);

const quota = 'https://iana.org/assignments/http-problem-types#quota-exceeded';

function expectProblem(reply: Reply, status: number, code: string) {
  expect(reply.headers.get('content-type')).toContain('application/problem+json');
  const type = code.startsWith('https:') ? code : `urn:platform:problem:${code}`;
  expect(reply.body).toMatchObject({ status, type });
  expect(reply.status).toBe(status);
  expect(isProblem(reply.body)).toBe(true);
  expect(reply.body.requestId).toBe(reply.headers.get('x-request-id'));
}

describe('problems', () => {
  const json = (raw: string) => ({ raw });

  it.each<[string, number, string, () => Promise<Reply>]>([
    ['an unknown path', 404, 'not-found', () => anyone('GET', '/nothing?x=1')],
    ['no session', 401, 'unauthenticated', () => anyone('GET', '/me')],
    [
      'a token of the wrong shape',
      401,
      'unauthenticated',
      () => client(platform.url, bearer('x'))('GET', '/me'),
    ],
    ['a cursor of garbage', 400, 'invalid-cursor', () => someone('GET', '/activity?cursor=AAAA')],
    ['a limit out of range', 400, 'validation-failed', () => someone('GET', '/activity?limit=0')],
    [
      'an unknown query parameter',
      400,
      'validation-failed',
      () => someone('GET', '/projects?page=2'),
    ],
    ['an id that is none', 400, 'validation-failed', () => someone('GET', '/projects/abc')],
    ['a NUL in an id', 400, 'validation-failed', () => someone('GET', '/projects/a%00b')],
    ['JSON cut short', 400, 'malformed-json', () => someone('POST', '/projects', json('{"name":'))],
    ['a missing field', 400, 'validation-failed', () => someone('POST', '/projects', json('{}'))],
    [
      'a field too many',
      400,
      'validation-failed',
      () => someone('POST', '/projects', json('{"name":"a","owner":"1"}')),
    ],
    [
      'a NUL in a name',
      400,
      'validation-failed',
      () => someone('POST', '/projects', json('{"name":"a\\u0000"}')),
    ],
    [
      'another media type',
      415,
      'unsupported-media-type',
      () => someone('POST', '/projects', { raw: 'a=b', headers: { 'content-type': 'text/plain' } }),
    ],
    [
      '65 kB',
      413,
      'body-too-large',
      () => someone('POST', '/projects', json(`{"name":"${'a'.repeat(65 * 1024)}"}`)),
    ],
  ])('%s is a %i %s', async (_what, status, code, send) => {
    expectProblem(await send(), status, code);
  });

  it('names the methods a path allows', async () => {
    const reply = await someone('POST', '/me');
    expectProblem(reply, 405, 'method-not-allowed');
    expect(reply.headers.get('allow')).toBe('GET, HEAD');
  });

  it.each(['/projects/%zz', `/projects/${'a'.repeat(200)}`])('refuses the path %s', async (url) => {
    const reply = await someone('GET', url);
    expectProblem(reply, reply.status, reply.status === 400 ? 'invalid-url' : 'url-too-long');
  });

  it('responds to bytes that are not HTTP', async () => {
    const { hostname, port } = new URL(platform.url);
    const socket = connect(Number(port), hostname);
    socket.end('NOT HTTP\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\ncontent-type: application\/problem\+json/);
    expect(isProblem(JSON.parse(text.split('\r\n\r\n')[1]!))).toBe(true);
  });

  it('have a pointer to the invalid field', async () => {
    const { body } = await anyone('POST', '/register', {
      body: { email: 'x', password: 'long enough' },
    });
    expect(body.errors[0].pointer).toBe('/body/email');
  });

  it('reveal no internals: an unexpected error is a 500, its stack goes to the operator', async () => {
    await platform.db.query({ text: 'ALTER TABLE projects RENAME COLUMN name TO gone' });
    const reply = await someone('GET', '/projects');
    await platform.db.query({ text: 'ALTER TABLE projects RENAME COLUMN gone TO name' });
    expectProblem(reply, 500, 'internal');
    expect(JSON.stringify(reply.body)).not.toMatch(/column|SELECT|\.ts|at /);
    expect(platform.reports.join()).toContain('column "name" does not exist');
  });

  it('stops the eleventh login of a minute from one address', async () => {
    const body = { email: seedEmail(3), password: 'short' };
    const replies: Reply[] = [];
    for (let i = 0; i < 11; i += 1) replies.push(await anyone('POST', '/login', { body }));
    expect(replies.slice(0, 10).map(({ status }) => status)).toEqual(Array(10).fill(400));
    expectProblem(replies[10]!, 429, quota);
    expect(replies[10]!.headers.get('ratelimit-policy')).toBe('"login";q=10;w=60');
    expect(replies[10]!.body['violated-policies']).toEqual(['login']);
  });
});

describe('request ids', () => {
  it.each([
    ...['a', 'run:1.op_2-3', '00000000-0000-4000-8000-000000000000', 'x'.repeat(64)],
    ...['', 'x'.repeat(65), 'a b', 'a/b'],
  ])('are ours, whatever the client sends: "%s"', async (id) => {
    const reply = await anyone('GET', '/readyz', { headers: { 'x-request-id': id } });
    expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(reply.headers.get('x-request-id')).not.toBe(id);
  });
});

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly responses: Record<
    string,
    { description: string; content: Record<string, { schema: object }> }
  >;
}

describe('/openapi.json', () => {
  it('describes every route, with a response schema for each success', async () => {
    const { body: document } = await anyone('GET', '/openapi.json');
    const operations = Object.entries<Record<string, Operation>>(document.paths).flatMap(
      ([url, item]) =>
        Object.entries(item).map(([method, operation]) => ({
          name: `${method} ${url}`,
          operation,
        })),
    );
    expect(operations.map(({ name }) => name).sort()).toEqual(
      [
        'delete /admin/rate-limits/{scope}/{name}/{policy}',
        'delete /keys/{id}',
        'delete /keys/{id}/agents/{slot}',
        'delete /me/personal-data',
        'delete /sessions/{id}',
        'get /activity',
        'get /admin/audit',
        'get /admin/audit/{id}',
        'get /admin/audit/{id}/proof',
        'get /admin/rate-limits',
        'get /audit',
        'get /audit/{id}',
        'get /audit/{id}/proof',
        'get /keys',
        'get /keys/{id}/agents',
        'get /me',
        'get /openapi.json',
        'get /projects',
        'get /projects/search',
        'get /projects/{id}',
        'get /readyz',
        'get /session',
        'get /sessions',
        'post /admin/users/{id}/disable',
        'post /admin/users/{id}/remove',
        'post /admin/users/{id}/revoke-keys',
        'post /admin/users/{id}/revoke-sessions',
        'post /keys',
        'post /keys/{id}/agents',
        'post /login',
        'post /logout',
        'post /password',
        'post /projects',
        'post /register',
        'post /session/renew',
        'post /sessions/revoke-all',
        'post /sessions/revoke-others',
        'put /admin/rate-limits/organisation/{name}/tier',
        'put /admin/rate-limits/{scope}/{name}/{policy}',
        'put /admin/users/{id}/role',
      ].sort(),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { name, operation } of operations) {
      expect(operation.summary, name).toBeTruthy();
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(response.description, `${name} ${status}`).toBeTruthy();
        if (status === '204') continue;
        const [media] = Object.values(response.content);
        expect(media?.schema, `${name} ${status}`).toBeTruthy();
      }
    }
  });

  it('is true: a response matches its schema', async () => {
    const { body: document } = await anyone('GET', '/openapi.json');
    const ajv = new Ajv({ strict: false, formats: { uuid: true, 'date-time': true } });
    for (const [path, url] of [
      ['/me', '/me'],
      ['/projects', '/projects'],
      ['/session', '/session'],
      ['/sessions', '/sessions'],
      ['/activity', '/activity?limit=5'],
      ['/readyz', '/readyz'],
    ] as const) {
      const { schema } = document.paths[path].get.responses['200'].content['application/json'];
      const reply = await someone('GET', url);
      expect(reply.status).toBe(200);
      expect(ajv.validate(schema, reply.body), `${path} ${ajv.errorsText()}`).toBe(true);
      expect(Object.keys(schema.properties).sort()).toEqual(Object.keys(reply.body).sort());
    }
  });
});

describe('/metrics', () => {
  it('has the metrics that the runbook names', async () => {
    await someone('GET', '/activity');
    const { body, headers } = await client(platform.operationsUrl)('GET', '/metrics');
    expect(headers.get('content-type')).toContain('text/plain');
    const names = [...(body as string).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
      (m) => `${m[1]} ${m[2]}`,
    );
    for (const name of [
      'api_gateway_response_time_seconds histogram',
      'rate_limiter_redis_latency_seconds histogram',
      'rate_limiter_decisions_total counter',
      'rate_limiter_refused_total counter',
      'rate_limiter_shadow_refused_total counter',
      'rate_limiter_near_limit_total counter',
      'rate_limiter_breaker_open gauge',
      'rate_limiter_breaker_opened_total counter',
      'audit_service_queue_depth gauge',
      'audit_sequencer_running gauge',
      'audit_flush_seconds histogram',
      'audit_wait_seconds histogram',
      'audit_flush_events histogram',
      'auth_service_cache_hits_total counter',
      'auth_service_cache_misses_total counter',
      'auth_service_cache_hit_rate gauge',
      'session_fallbacks_total counter',
      'session_redis_breaker_open gauge',
      'session_redis_breaker_opened_total counter',
      'session_fence_wait_seconds histogram',
      'session_fence_unconfirmed_total counter',
      'activity_cache_hits_total counter',
      'activity_cache_misses_total counter',
      'activity_cache_hit_rate gauge',
      'pg_pool_wait_seconds histogram',
      'pg_pool_waiting gauge',
      'pg_pool_connections gauge',
      'pg_pool_idle gauge',
      'pg_pool_size gauge',
      'store_connections_lost_total counter',
      'event_loop_delay_p99_seconds gauge',
      'event_loop_delay_seconds histogram',
      'process_cpu_seconds_total counter',
    ])
      expect(names).toContain(name);
    expect(body).toMatch(
      /api_gateway_response_time_seconds_count\{route="\/activity",status="200"\} \d/,
    );
    expect(body).toMatch(/^rate_limiter_redis_latency_seconds_count [1-9]/m);
  });

  it('reads the same for every reader, however often it is read', async () => {
    for (let i = 0; i < 5; i += 1) await someone('GET', '/session');
    const watched =
      /^(auth_service_cache_hit_rate|activity_cache_hit_rate|event_loop_delay_p99_seconds|\S+_(hits|misses)_total|rate_limiter_\S+_total\S*) \S+$/gm;
    const read = async () =>
      String((await client(platform.operationsUrl)('GET', '/metrics')).body).match(watched)!;
    const [first, second] = [await read(), await read()];
    expect(first.some((line) => /^auth_service_cache_hit_rate (?!1$)/.test(line))).toBe(true);
    expect(second.filter((line) => !line.startsWith('event_loop'))).toEqual(
      first.filter((line) => !line.startsWith('event_loop')),
    );
    // A reader would have reset it to 0; the loop may have become later meanwhile.
    const delayOf = (lines: readonly string[]) =>
      Number(lines.find((line) => line.startsWith('event_loop'))!.split(' ')[1]);
    expect(delayOf(first)).toBeGreaterThan(0);
    expect(delayOf(second)).toBeGreaterThanOrEqual(delayOf(first));
  });

  it('is for operators alone: the listener of clients has neither it nor /healthz', async () => {
    for (const path of ['/metrics', '/healthz'])
      expect((await anyone('GET', path)).status).toBe(404);
    const ready = await client(platform.operationsUrl)('GET', '/readyz');
    expect([ready.status, ready.body]).toEqual([200, { status: 'ready' }]);
    const other = await client(platform.operationsUrl, bearer('x'))('GET', '/me');
    expect(other.status).toBe(404);
    expect(new URL(platform.operationsUrl).hostname).toBe('127.0.0.1');
  });
});

describe('the activity cache', () => {
  it('is never used past its age, counted from before the query', async () => {
    let nowUs = 1_000_000_000;
    let queries = 0;
    const db: Database = {
      query: async () => {
        queries += 1;
        nowUs += 1_500_000; // The query itself takes 1.5 of the 2 seconds.
        return [];
      },
    };
    const activity = createOnDemandActivity({
      db,
      clock: { nowUs: () => nowUs },
      redis: platform.redis,
      keyPrefix: 'age:',
      design: { kind: 'on-demand', cacheTtlMs: 2_000, maxSharedLoads: 10 },
      observer: {
        onFlush: () => {},
        onSequenced: () => {},
        onSpill: () => {},
        onCacheRead: () => {},
      },
    });
    const readAfter = async (us: number) => {
      nowUs += us;
      await activity.recent('1', { cursor: null, limit: 20 });
      return queries;
    };
    expect([await readAfter(0), await readAfter(499_999), await readAfter(1)]).toEqual([1, 1, 2]);
  });
});

describe('without Redis', () => {
  it('is ready: sessions and limits work without it', async () => {
    // SIGSTOP: the connection stays open and nothing responds.
    process.kill(redis.pid, 'SIGSTOP');
    try {
      expect((await someone('GET', '/me')).status).toBe(200);
      expect((await anyone('GET', '/readyz')).status).toBe(200);
      const operations = client(platform.operationsUrl);
      expect((await operations('GET', '/readyz')).status).toBe(200);
      expect((await operations('GET', '/healthz')).status).toBe(200);
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
  });
});
