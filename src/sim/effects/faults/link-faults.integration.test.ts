import { afterAll, beforeAll, expect, test } from 'vitest';
import { contradictions } from '../../pure/faults/fault-evidence.ts';
import { startTimeOf } from '../process/process-table.ts';
import { bedTopology, makeScratch, type Scratch } from '../testbed/fixtures/bed.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';
import type { Fault } from './fault.ts';
import { createFault } from './fault-kinds.ts';
import type { LinkRule } from './proxy/rule.ts';

let scratch: Scratch;
let testbed: Testbed;
const deaths: string[] = [];
beforeAll(async () => {
  scratch = await makeScratch();
  testbed = await startTestbed({
    runId: 'links',
    logFolder: scratch.logFolder,
    topology: bedTopology({
      instances: 3,
      proxied: ['client->gateway', 'gateway->redis', 'gateway->postgres'],
    }),
    seed: 7,
    cores: null,
    onNote: () => {},
    onUnexpectedExit: ({ name }) => deaths.push(name),
    env: scratch.env,
  });
});
afterAll(async () => {
  const proxy = testbed.pids.proxy!()[0]!;
  await testbed.stop();
  expect(startTimeOf(proxy)).toBeNull();
  expect(deaths).toEqual([]);
  await scratch.remove();
});

/** The status of a request to each process in turn; the error's code where there is none. */
const ask = (path: string): Promise<(number | string)[]> =>
  Promise.all(
    testbed.targets.map(async ({ url }) => {
      const headers = { connection: 'close' };
      const signal = AbortSignal.timeout(1_500);
      try {
        return (await fetch(url + path, { headers, signal })).status;
      } catch (error) {
        return ((error as Error).cause as { code?: string })?.code ?? (error as Error).name;
      }
    }),
  );
const link = (target: string, rule: LinkRule): Fault =>
  createFault({ kind: 'link', target, rule }, testbed);
async function under<T>(fault: Fault, work: () => Promise<T>): Promise<T> {
  const landed = fault.apply();
  try {
    const seen = await work();
    await landed;
    const evidence = await fault.measure!();
    expect(evidence).not.toEqual([]);
    expect(contradictions(evidence)).toEqual([]);
    return seen;
  } finally {
    await fault.undo();
    await fault.undo();
    await expect.poll(() => fault.probe()).toBe(true);
  }
}

test('the service is reached, and reaches its stores, through the proxy', async () => {
  const { databaseUrl, redisUrl } = await (await fetch(testbed.targets[0]!.url)).json();
  expect(databaseUrl).not.toBe(testbed.node('postgres').address.url);
  expect(redisUrl).not.toBe(testbed.node('redis').address.url);
  for (const path of ['/', '/redis', '/postgres']) expect(await ask(path)).toEqual([200, 200, 200]);
});

test.each<LinkRule['kind']>(['blackhole', 'reset', 'half-open'])(
  'one process alone is cut off from Redis by %s',
  async (kind) => {
    const rule = { kind } as LinkRule;
    const fault = link('gateway.2->redis', rule);
    await under(fault, async () => {
      await expect.poll(() => ask('/redis')).toEqual([200, 503, 200]);
      expect(await ask('/postgres')).toEqual([200, 200, 200]);
    });
    expect(await ask('/redis')).toEqual([200, 200, 200]);
  },
);

test('all processes are cut off from PostgreSQL at once', async () => {
  const fault = link('gateway->postgres', { kind: 'blackhole' });
  expect(await fault.apply()).toBe('blackhole on gateway->postgres');
  expect(await fault.probe()).toMatch(/^no answer through gateway\.1->postgres, .*\.3->postgres$/);
  expect(await ask('/postgres')).toEqual([503, 503, 503]);
  expect(await ask('/redis')).toEqual([200, 200, 200]);
  expect(await fault.measure!()).toEqual(
    testbed.targets.map(({ name }) => ({
      what: `bytes forwarded by ${name}->postgres`,
      value: 0,
      atMost: 0,
    })),
  );
  await fault.undo();
  expect(await fault.probe()).toBe(true);
  expect(await ask('/postgres')).toEqual([200, 200, 200]);
});

test('a slow link is slow', async () => {
  const rule = { kind: 'latency', meanMs: 200, jitterMs: 20 } as const;
  const fault = link('client->gateway.1', rule);
  await under(fault, async () => {
    const startedAt = performance.now();
    await fetch(testbed.targets[0]!.url);
    expect(performance.now() - startedAt).toBeGreaterThan(150);
  });
});

test('a link with limited bandwidth is slow', async () => {
  const rule = { kind: 'bandwidth', bytesPerSecond: 4_000 } as const;
  const fault = link('client->gateway.1', rule);
  await under(fault, async () => {
    const startedAt = performance.now();
    await (await fetch(testbed.targets[0]!.url)).text();
    expect(performance.now() - startedAt).toBeGreaterThan(100);
  });
});

test('a cut reply is the moment the fault has landed', async () => {
  const rule = { kind: 'cut-reply', every: 1 } as const;
  const fault = link('client->gateway.3', rule);
  expect(await under(fault, () => ask('/'))).toEqual([200, 200, expect.any(String)]);
  expect(fault.decisions()).toMatchObject([{ name: 'cut-reply', event: 'decision' }]);
  expect(fault.decisions()[0]!.detail).toMatch(/^client->gateway\.3 request 1/);
});

test('the k-th request fails, and no other', async () => {
  const rule = { kind: 'fail-request', k: 2 } as const;
  const fault = link('client->gateway.1', rule);
  const statuses = await under(fault, async () => {
    const seen = [];
    for (let request = 0; request < 3; request += 1) seen.push((await ask('/'))[0]);
    return seen;
  });
  expect(statuses).toEqual([200, expect.toSatisfy((status) => status >= 500), 200]);
});

test('undo clears a rule that no request has met', async () => {
  const fault = link('client->gateway', { kind: 'cut-reply', every: 1 });
  const landed = expect(fault.apply()).rejects.toThrow('no request met cut-reply');
  await fault.undo();
  await landed;
  expect(fault.decisions()).toEqual([]);
  expect(await ask('/')).toEqual([200, 200, 200]);
});

test('a COMMIT is seen while it is in flight', async () => {
  const seen = testbed.edges.waitForCommitInFlight(5_000, new AbortController().signal);
  const [statuses] = await Promise.all([ask('/postgres'), seen]);
  expect(statuses).toContain(503); // The reply was kept back for longer than the fixture waits.
});

test('an unknown edge or process is rejected at once', async () => {
  const rule = { kind: 'blackhole' } as const;
  expect(() => link('gateway.7->redis', rule)).toThrow(
    /no edge gateway\.7->redis; known: client->gateway, gateway->redis, gateway->postgres/,
  );
  expect(() => link('gateway->rediss', rule)).toThrow(/did you mean gateway->redis\?/);
  const other = await startTestbed({
    runId: 'direct',
    topology: bedTopology({ proxied: ['gateway->postgres'] }),
    seed: 7,
    cores: null,
    onNote: () => {},
    env: scratch.env,
  });
  try {
    expect(() => createFault({ kind: 'link', target: 'gateway->redis', rule }, other)).toThrow(
      'edge gateway->redis is not proxied; routes: gateway->postgres',
    );
  } finally {
    await other.stop();
  }
});

test('stores of the operator are reached through the proxy, too', async () => {
  const address = new URL(testbed.node('postgres').address.url);
  address.search = '';
  const other = await startTestbed({
    runId: 'external-links',
    topology: bedTopology({ proxied: ['gateway->redis', 'gateway->postgres'] }),
    seed: 7,
    cores: null,
    onNote: () => {},
    env: {
      ...scratch.env,
      DATABASE_URL: address.toString(),
      REDIS_URL: testbed.node('redis').address.url,
    },
  });
  try {
    const status = async (path: string) => (await fetch(other.targets[0]!.url + path)).status;
    expect([await status('/redis'), await status('/postgres')]).toEqual([200, 200]);
    const rule = { kind: 'blackhole' } as const;
    const fault = createFault({ kind: 'link', target: 'gateway->redis', rule }, other);
    await fault.apply();
    expect([await status('/redis'), await status('/postgres')]).toEqual([503, 200]);
    await fault.undo();
    expect(await status('/redis')).toBe(200);
  } finally {
    await other.stop();
  }
});
