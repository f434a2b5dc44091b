import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../../history.ts';
import type { OperationTemplate, RetryPolicy, SweepWorkload } from '../../../pure/load/workload.ts';
import { constant, type LoadBed, makeLoadBed } from '../fixtures/load-bed.ts';
import { check, login, logout, probe, serveSessions } from '../fixtures/session-servers.ts';
import type { Sender } from './sender.ts';

// What a client does with its sessions, against real servers: who is drawn, what is tried again, what is swept.
let bed: LoadBed;
beforeEach(async () => {
  bed = await makeLoadBed();
});
afterEach(() => bed.remove());

const retry: RetryPolicy = {
  attempts: 3,
  baseMs: 50,
  capMs: 80,
  statuses: [401],
  onNextInstance: true,
};
const named = (records: readonly OperationRecord[], name: string) =>
  records.filter((one) => one.name === name);
const inPhase = async (phase: string) =>
  (await bed.operations()).filter((one) => one.phase === phase);
const sweep = (part: Partial<SweepWorkload> = {}): SweepWorkload => ({
  kind: 'sweep',
  as: 'live',
  everyTarget: true,
  ratePerSecond: 1_000,
  operations: [check],
  ...part,
});

describe('credentials', () => {
  it('are used while live, probed once revoked, and issued by a login', async () => {
    const servers = await serveSessions(bed, 40);
    const sender = await bed.start(servers.ports, {}, servers.accounts);
    const mix = constant(400, 1_500, [check, logout, login, probe]);
    expect(await sender.run('mix', mix, 1)).toMatchObject({ planned: 600, recorded: 600 });
    const records = await bed.operations();
    const logouts = new Map(named(records, 'logout').map((one) => [one.subject, one]));
    expect(logouts.size).toBe(named(records, 'logout').length);
    for (const one of logouts.values()) expect(one.outcome).toBe('ok');

    for (const one of named(records, 'check')) {
      const ended = logouts.get(one.subject);
      if (ended !== undefined) expect(one.scheduledUs).toBeLessThan(ended.scheduledUs);
    }
    const firstEndUs = Math.min(...[...logouts.values()].map((one) => one.doneUs));
    const probes = named(records, 'probe');
    for (const one of probes) {
      if (one.error === 'no credential') {
        expect(one).toMatchObject({ outcome: 'fail', sentUs: -1, status: 0, user: '' });
        expect(one.scheduledUs).toBeLessThan(firstEndUs);
      } else {
        expect(one).toMatchObject({ outcome: 'fail', status: 401, error: 'http 401' });
        expect(one.sentUs).toBeGreaterThanOrEqual(logouts.get(one.subject)!.doneUs);
      }
    }
    expect(probes.filter((one) => one.status === 401).length).toBeGreaterThan(50);

    const logins = named(records, 'login');
    for (const one of logins) {
      expect(one).toMatchObject({ outcome: 'ok', user: expect.stringMatching(/^u\d+$/) });
      expect(one).not.toHaveProperty('body');
      expect(one).not.toHaveProperty('subject');
    }
    const begun = records.filter((one) => one.subject?.startsWith('of n'));
    expect(begun.length).toBeGreaterThan(0);
    expect(servers.live.size).toBe(40 + logins.length - logouts.size);
  });

  it('are neither live nor ended when the answer to their revocation was lost', async () => {
    const servers = await serveSessions(bed, 20);
    const sender = await bed.start(servers.ports, {}, servers.accounts);
    servers.resets = true;
    const run = await sender.run('end', constant(100, 100, [{ ...logout, retry }]), 1);
    expect(run.planned).toBe(10);
    servers.resets = false;
    const records = await bed.operations();
    const lost = new Set(records.filter((one) => one.outcome === 'unknown').map((r) => r.subject));
    expect(lost.size).toBeGreaterThan(0);
    // The second attempt finds the session gone, which is no acknowledgement.
    for (const one of records) {
      if (lost.has(one.subject) && one.attempt === 2) expect(one.status).toBe(401);
    }
    const subjects = async (as: 'live' | 'ended') => {
      await sender.run(as, sweep({ as, everyTarget: false }), 1);
      return new Set((await inPhase(as)).map((one) => one.subject));
    };
    const [live, ended] = [await subjects('live'), await subjects('ended')];
    expect([live.size, ended.size]).toEqual([10, 10 - lost.size]);
    for (const one of lost) expect(live.has(one) || ended.has(one)).toBe(false);
  });

  it('are added only from an answer that holds one', async () => {
    const port = await bed.serve((_, response) => response.end('{"token":"t"}'));
    const { accounts } = await serveSessions(bed, 3);
    const sender = await bed.start(port, {}, accounts);
    await sender.run('login', constant(50, 100, [login]), 1);
    for (const one of await bed.operations()) {
      expect(one).toMatchObject({ outcome: 'unknown', error: 'no credential in the answer' });
    }
    expect(await sender.run('live', sweep(), 1)).toMatchObject({ planned: 3 });
  });
});

describe('a retry', () => {
  const write: OperationTemplate = {
    name: 'write',
    weight: 1,
    method: 'POST',
    path: '/check',
    body: { key: 'k{op}' },
    retry,
  };

  it('is a record of its own, on the next instance, as the same actor, and every arrival is counted', async () => {
    const servers = await serveSessions(bed, 10);
    servers.resets = true;
    const sender = await bed.start(servers.ports, {}, servers.accounts);
    const pauses: number[][] = [];
    for (const phase of ['one', 'two']) {
      const run = await sender.run(phase, constant(200, 500, [write]), 7);
      const records = await inPhase(phase);
      const retries = records.filter((one) => one.attempt !== undefined);
      expect(run).toMatchObject({ planned: 100, recorded: records.length });
      expect(run.retries).toBe(retries.length);
      expect(records.length - retries.length).toBe(100);
      const ids = new Map(records.map((one) => [one.id, one]));
      expect(ids.size).toBe(records.length);
      const failed = records.filter((one) => one.outcome === 'unknown');
      expect(failed.length).toBeGreaterThan(20);
      expect(failed.length).toBe(retries.length);
      const waits = retries.map((one) => {
        const first = ids.get(one.retryOf!)!;
        expect(first).toMatchObject({ target: 'server.2', error: 'ECONNRESET', user: one.user });
        expect(one).toMatchObject({ target: 'server.1', attempt: 2, outcome: 'ok' });
        expect(one.requestId).not.toBe(first.requestId);
        return { first, waitUs: one.scheduledUs - first.doneUs };
      });
      expect(Math.max(...waits.map((one) => one.waitUs))).toBeLessThan(50_000);
      expect(Math.min(...waits.map((one) => one.waitUs))).toBeGreaterThanOrEqual(0);
      waits.sort((a, b) => a.first.scheduledUs - b.first.scheduledUs);
      pauses.push(waits.map((one) => one.waitUs));
    }
    expect(pauses[1]).toEqual(pauses[0]);
    const { planned, recorded, retries } = await sender.totals();
    expect(recorded - retries).toBe(planned);
  });

  it('repeats the request, `{op}` included', async () => {
    const bodies: string[] = [];
    const port = await bed.serve(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      bodies.push(body);
      response.writeHead(503).end();
    });
    const sender = await bed.start(port);
    expect(await sender.run('steady', constant(50, 100, [write]), 1)).toMatchObject({
      planned: 5,
      recorded: 15,
      retries: 10,
    });
    const firsts = (await bed.operations()).filter((one) => one.retryOf === undefined);
    const each = firsts.flatMap((one) => Array(3).fill(`{"key":"k${one.id}"}`));
    expect(bodies.sort()).toEqual(each.sort());
    expect((await bed.operations()).map((one) => one.attempt ?? 1).sort()).toEqual(
      [1, 2, 3].flatMap((attempt) => Array(5).fill(attempt)),
    );
  });

  it('keeps its user waiting: a user has one request in flight', async () => {
    const port = await bed.serve((_, response) => response.writeHead(503).end());
    const sender = await bed.start(port);
    const run = await sender.run(
      'steady',
      {
        kind: 'users',
        users: 3,
        think: { meanMs: 30, shape: 2 },
        startBusy: 1,
        durationMs: 1_000,
        operations: [write],
      },
      1,
    );
    expect(run).toMatchObject({ recorded: 3 * run.planned, retries: 2 * run.planned });
    const records = await bed.operations();
    for (const user of new Set(records.map((one) => one.user))) {
      const own = records.filter((one) => one.user === user);
      own.sort((a, b) => a.scheduledUs - b.scheduledUs);
      for (const [index, one] of own.entries()) {
        expect(one.scheduledUs).toBeGreaterThanOrEqual(own[index - 1]?.doneUs ?? 0);
        expect(one.retryOf === undefined).toBe(index % 3 === 0);
      }
    }
  });

  it('is not sent after the grace of a load that was stopped', async () => {
    let requestCount = 0;
    const port = await bed.serve((_, response) => {
      requestCount += 1;
      response.writeHead(503).end();
    });
    const sender = await bed.start(port);
    const patient = { ...retry, attempts: 100, baseMs: 4_000, capMs: 4_000 };
    const operation = { ...write, retry: patient };
    const running = sender.run('steady', constant(100, 60_000, [operation]), 1);
    await sleep(1_000);
    await sender.stop(500);
    const run = await running;
    const askedThen = requestCount;
    expect(run.recorded - run.retries).toBe(run.planned);
    expect(run.retries).toBeGreaterThan(0);
    const records = await bed.operations();
    expect(records).toHaveLength(run.recorded);
    await sleep(1_000);
    expect(requestCount).toBe(askedThen);
    expect(await bed.operations()).toHaveLength(run.recorded);
  });
});

describe('a sweep', () => {
  const pairs = async (phase: string) =>
    (await inPhase(phase)).map((one) => `${one.subject} ${one.target}`);
  const run = async (sender: Sender, phase: string, workload: SweepWorkload, seed = 1) => {
    const { planned, recorded } = await sender.run(phase, workload, seed);
    expect(recorded).toBe(planned);
    return pairs(phase);
  };

  it('sends one operation as every credential of its kind to every target', async () => {
    const servers = await serveSessions(bed, 60);
    const sender = await bed.start(servers.ports, {}, servers.accounts);
    await sender.run('mix', constant(200, 500, [logout, { ...login, weight: 2 }]), 1);
    const before = await inPhase('mix');
    const ended = named(before, 'logout').map((one) => one.subject);
    const count = 60 + named(before, 'login').length - ended.length;

    const live = await run(sender, 'live', sweep());
    expect(new Set(live).size).toBe(2 * count);
    expect(live).toHaveLength(2 * count);
    const gone = await run(sender, 'ended', sweep({ as: 'ended', operations: [probe] }));
    const everywhere = ended.flatMap((one) => [`${one} server.1`, `${one} server.2`]);
    expect(gone.toSorted()).toEqual(everywhere.toSorted());
    for (const one of await inPhase('live')) expect(one.status).toBe(204);
    for (const one of await inPhase('ended')) expect(one.status).toBe(401);

    expect(await run(sender, 'again', sweep())).toEqual(live);
    expect(await run(sender, 'other seed', sweep(), 2)).not.toEqual(live);
    const some = await run(sender, 'some', sweep({ max: 5, everyTarget: false }));
    expect(new Set(some.map((one) => one.split(' server')[0])).size).toBe(5);
    expect(some).toHaveLength(5);
  });

  it('has the same order, independent of the order of revocations', async () => {
    const orders: string[][] = [];
    for (const seed of [1, 2]) {
      const servers = await serveSessions(bed, 20);
      const sender = await bed.start(servers.ports, {}, servers.accounts);
      // All 20 end, in an order of the seed.
      await sender.run(`end ${seed}`, constant(100, 200, [logout]), seed);
      orders.push(await run(sender, `ended ${seed}`, sweep({ as: 'ended' })));
      await sender.close();
    }
    expect(orders[1]).toEqual(orders[0]);
    expect(orders[0]).toHaveLength(40);
  });

  it('without credentials ends at once', async () => {
    const servers = await serveSessions(bed, 3);
    const sender = await bed.start(servers.ports, {}, servers.accounts);
    expect(await run(sender, 'none', sweep({ as: 'ended' }))).toEqual([]);
  });
});
