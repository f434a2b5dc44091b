import type { IncomingHttpHeaders } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../../history.ts';
import {
  type Account,
  mixOf,
  type OpenWorkload,
  type OperationTemplate,
  type RetryPolicy,
  type SweepWorkload,
} from '../../../pure/load/workload.ts';
import { constant, type LoadBed, makeLoadBed } from '../fixtures/load-bed.ts';

// Groups, headers, captured headers and Retry-After, against real servers.
interface Got {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}
let got: Map<string, Got>;
let bed: LoadBed;
beforeEach(async () => {
  got = new Map();
  bed = await makeLoadBed();
});
afterEach(() => bed.remove());

const accounts: readonly Account[] = Array.from({ length: 12 }, (_, index) => ({
  id: `u${index}`,
  headers: { authorization: `Bearer s${index}`, 'x-client': 'account' },
  vars: index % 3 === 0 ? { agent: `pa_${index}`, ip: `198.51.100.${index}` } : {},
  subject: `s${index}`,
  group: index % 3 === 0 ? 'bot' : 'honest',
}));
const get = (name: string, part: Partial<OperationTemplate> = {}): OperationTemplate => ({
  name,
  weight: 1,
  method: 'GET',
  path: `/${name}`,
  ...part,
});
const named = (records: readonly OperationRecord[], name: string) =>
  records.filter((one) => one.name === name);

/** Remembers every request, answers 200 with the given headers. */
const serve = (headers: Readonly<Record<string, string>> = {}) =>
  bed.serve((request, response) => {
    got.set(String(request.headers['x-request-id']), {
      url: request.url ?? '',
      headers: request.headers,
    });
    response.writeHead(200, headers).end('{}');
  });

describe('a mix', () => {
  it('plays each stream with its own group, in order of time', async () => {
    const port = await serve();
    const sender = await bed.start(port, {}, accounts);
    const bursts: OpenWorkload = {
      ...constant(60, 1_000, [get('scrape', { group: 'bot' })]),
      arrivals: 'bursts',
      burstEveryMs: 500,
      burstOffsetMs: 100,
    };
    const mix = mixOf([constant(80, 1_000, [get('work', { group: 'honest' })]), bursts]);
    const run = await sender.run('mix', mix, 1);
    expect(run).toMatchObject({ planned: 140, recorded: 140, retries: 0 });
    const records = await bed.operations();
    expect(records.every((one) => one.outcome === 'ok')).toBe(true);

    const [work, scrape] = [named(records, 'work'), named(records, 'scrape')];
    expect([work.length, scrape.length]).toEqual([80, 60]);
    for (const [found, group] of [
      [work, 'honest'],
      [scrape, 'bot'],
    ] as const) {
      const members = accounts.filter((one) => one.group === group);
      for (const { id } of members) {
        const own = found.filter((one) => one.user === id);
        expect(own).toHaveLength(found.length / members.length);
        for (const one of own) {
          const sent = got.get(one.requestId)!;
          expect(sent.headers.authorization).toBe(`Bearer ${one.subject}`);
        }
      }
    }
    const instants = new Set(scrape.map((one) => one.scheduledUs - run.startedUs));
    expect([...instants]).toEqual([100_000, 600_000]);
    expect(records.map((one) => one.scheduledUs)).toEqual(
      records.map((one) => one.scheduledUs).toSorted((a, b) => a - b),
    );
  });

  it('adds the credential of a login to the group of its account', async () => {
    let made = 0;
    const port = await bed.serve((request, response) => {
      made += request.url === '/login' ? 1 : 0;
      response.end(JSON.stringify({ token: `t${made}`, id: `n${made}` }));
    });
    const sender = await bed.start(port, {}, accounts);
    const begins = { token: 'token', subject: 'id' };
    const login = get('login', { group: 'bot', issuesCredential: begins, anonymous: true });
    await sender.run('login', constant(40, 200, [login]), 1);
    await sender.run('read', constant(100, 300, [get('scrape', { group: 'bot' })]), 2);
    await sender.run('work', constant(100, 300, [get('work', { group: 'honest' })]), 3);
    const records = await bed.operations();
    const bots = new Set(accounts.filter((one) => one.group === 'bot').map((one) => one.id));
    for (const one of [...named(records, 'login'), ...named(records, 'scrape')]) {
      expect(bots.has(one.user)).toBe(true);
    }
    const subjects = (name: string) => new Set(named(records, name).map((one) => one.subject));
    // Four of their own, eight begun.
    expect(subjects('scrape').size).toBe(12);
    expect([...subjects('work')].some((subject) => subject?.startsWith('n'))).toBe(false);
  });

  it('sweeps one group only', async () => {
    const sender = await bed.start(await serve(), {}, accounts);
    const sweep: SweepWorkload = {
      kind: 'sweep',
      as: 'live',
      everyTarget: false,
      ratePerSecond: 200,
      operations: [get('scrape', { group: 'bot' })],
    };
    expect(await sender.run('sweep', sweep, 1)).toMatchObject({ planned: 4, recorded: 4 });
    const users = new Set((await bed.operations()).map((one) => one.user));
    expect([...users].toSorted()).toEqual(['u0', 'u3', 'u6', 'u9']);
  });

  it('is rejected for a group without accounts', async () => {
    const sender = await bed.start(await serve(), {}, accounts);
    const mix = mixOf([constant(10, 100, [get('x', { group: 'ci' })])]);
    await expect(sender.run('mix', mix, 1)).rejects.toThrow(
      'operation x: no account is of the group ci; there are bot, honest',
    );
    expect(got.size).toBe(0);
  });
});

describe.each([undefined, 'undici' as const])('headers, sent by %s', (load) => {
  it('are sent and captured as declared', async () => {
    const answer = { 'X-Limit-Decision': 'at=1;took=2', RateLimit: '"user";r=4', 'x-other': '1' };
    const port = await serve(answer);
    const options = load === undefined ? {} : { load };
    const sender = await bed.start(port, options, accounts);
    const headers = {
      'x-forwarded-for': '2001:db8:{opHex}::1, {ip}',
      'X-Client': 'agent {agent}',
    };
    const captureHeaders = ['x-limit-decision', 'RateLimit', 'retry-after'];
    const scrape = get('scrape', { group: 'bot', headers, captureHeaders });
    const door = get('door', { group: 'bot', anonymous: true, headers: { 'x-ip': '{ip}' } });
    await sender.run('mix', mixOf([constant(40, 500, [scrape]), constant(20, 500, [door])]), 1);
    const records = await bed.operations();
    expect(records).toHaveLength(30);
    for (const one of named(records, 'scrape')) {
      const { vars } = accounts.find(({ id }) => id === one.user)!;
      expect(got.get(one.requestId)!.headers).toMatchObject({
        'x-forwarded-for': `2001:db8:0:${one.id.toString(16)}::1, ${vars.ip}`,
        'x-client': `agent ${vars.agent}`,
        authorization: `Bearer ${one.subject}`,
      });
      expect(one.headers).toEqual({
        'x-limit-decision': 'at=1;took=2',
        ratelimit: '"user";r=4',
      });
    }
    for (const one of named(records, 'door')) {
      const { vars } = accounts.find(({ id }) => id === one.user)!;
      const sent = got.get(one.requestId)!.headers;
      expect(sent).toMatchObject({ 'x-ip': vars.ip });
      expect(sent).not.toHaveProperty('authorization');
      expect(one).not.toHaveProperty('headers');
    }
  });
});

describe('a client that obeys Retry-After', () => {
  const retry: RetryPolicy = {
    attempts: 3,
    baseMs: 10,
    capMs: 0,
    statuses: [429],
    onNextInstance: false,
    obeyRetryAfter: true,
  };
  /** Refuses the first `times` attempts of each operation. */
  const refuse = (times: number, retryAfter: () => string) => {
    const requestCounts = new Map<string, number>();
    return bed.serve((request, response) => {
      const count = (requestCounts.get(request.url ?? '') ?? 0) + 1;
      requestCounts.set(request.url ?? '', count);
      if (count > times) response.end('{}');
      else response.writeHead(429, { 'retry-after': retryAfter() }).end();
    });
  };
  const patient = get('patient', { path: '/{op}', retry });
  const stages = [
    { ratePerSecond: 20, durationMs: 250 },
    { ratePerSecond: 0, durationMs: 2_750 },
  ];
  const load: OpenWorkload = { ...constant(20, 250, [patient]), stages };

  it('retries at the given time, not before, as an operation of its own', async () => {
    const sender = await bed.start(await refuse(2, () => '1'), {}, accounts);
    const run = await sender.run('wait', load, 1);
    expect(run).toMatchObject({ planned: 5, recorded: 15, retries: 10 });
    const records = await bed.operations();
    for (const one of records) {
      const last = one.attempt === 3;
      expect(one).toMatchObject({ status: last ? 200 : 429, outcome: last ? 'ok' : 'fail' });
      expect(one.headers).toEqual(last ? {} : { 'retry-after': '1' });
      if (one.attempt === undefined) continue;
      const before = records.find(
        ({ id, retryOf, attempt = 1 }) =>
          (retryOf ?? id) === one.retryOf && attempt === one.attempt! - 1,
      )!;
      expect(one.scheduledUs).toBe(before.doneUs + 1_000_000);
      expect(one.sentUs).toBeGreaterThanOrEqual(one.scheduledUs);
    }
  });

  it('accepts an HTTP date', async () => {
    const inTwoSeconds = () => new Date(Date.now() + 2_000).toUTCString();
    const sender = await bed.start(await refuse(1, inTwoSeconds), {}, accounts);
    const beganMs = Date.now();
    await sender.run('wait', load, 1);
    const retries = (await bed.operations()).filter((one) => one.attempt === 2);
    expect(retries).toHaveLength(5);
    // An HTTP date has whole seconds: 1 to 2 s from now, by the wall clock.
    for (const one of retries) expect(one.outcome).toBe('ok');
    expect(Date.now() - beganMs).toBeGreaterThan(1_000);
  });

  it('gives up when the time is beyond the end of the load', async () => {
    const sender = await bed.start(await refuse(1, () => '60'), {}, accounts);
    const run = await sender.run('wait', load, 1);
    expect(run).toMatchObject({ planned: 5, recorded: 5, retries: 0 });
    for (const one of await bed.operations()) {
      expect(one).toMatchObject({ status: 429, headers: { 'retry-after': '60' } });
    }
  });
});
