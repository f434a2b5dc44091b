/** A receiver as a process: what its endpoints do, what it writes down, and what it survives. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ArrivalRecord, HistoryRecord } from '../../../history.ts';
import type { ReceiverSpec } from '../../../topology.ts';
import { monotonicUs } from '../../load/engine/monotonic-clock.ts';
import { readHistory } from '../../load/engine/read-history.ts';
import { isPortOpen } from '../../process/free-port.ts';
import { startTimeOf } from '../../process/process-table.ts';
import { eventually, fixture, makeScratch, type Scratch } from '../fixtures/bed.ts';
import { type NodeBed, openNodeBed } from '../fixtures/node-context.ts';
import type { Endpoints, RunningNode } from '../node.ts';

const spec: ReceiverSpec = {
  kind: 'receiver',
  region: 'eu',
  endpoints: {
    good: { kind: 'healthy' },
    slow: { kind: 'slow', delayMs: 300 },
    never: { kind: 'hanging' },
    broken: { kind: 'status', status: 503 },
    closed: { kind: 'closed' },
  },
};

let scratch: Scratch;
let bed: NodeBed;
let node: RunningNode;
let endpoints: Endpoints;
beforeAll(async () => {
  scratch = await makeScratch();
});
beforeEach(async () => {
  bed = await openNodeBed({ hooks: spec }, { env: scratch.env });
  node = await bed.start('hooks');
  endpoints = node.capabilities.endpoints!;
});
afterEach(async () => {
  await bed.stop();
  expect(readdirSync(path.join(scratch.cache, 'runs'))).toEqual([]);
});
afterAll(() => scratch.remove());

const at = (where: string) => `${node.address.url}/${where}`;
const post = async (where: string, body = '') =>
  (await fetch(at(where), { method: 'POST', body })).status;

async function arrivals(): Promise<ArrivalRecord[]> {
  const records: HistoryRecord[] = [];
  for await (const record of readHistory(node.logFile!)) records.push(record);
  return records as ArrivalRecord[];
}

test('each endpoint has its declared behaviour, and every request is in the log', async () => {
  const fromUs = monotonicUs();
  expect(await post('good/deeper?x=1', '{"id":"ä"}')).toBe(200);
  expect(await post('slow')).toBe(200);
  expect(await post('broken')).toBe(503);
  expect(await post('nobody')).toBe(404);
  await expect(post('closed', 'body')).rejects.toThrow('fetch failed');
  const hanging = fetch(at('never'), { signal: AbortSignal.timeout(500) });
  await expect(hanging).rejects.toThrow(/timeout/);

  const [good, slow, broken, unknown, closed, never, ...others] = await arrivals();
  expect(others).toEqual([]);
  expect(good).toMatchObject({
    node: 'hooks',
    endpoint: 'good',
    method: 'POST',
    path: '/good/deeper?x=1',
    body: '{"id":"ä"}',
    truncated: false,
    behaviour: 'healthy',
    status: 200,
  });
  expect(good!.headers).toMatchObject({ 'content-length': '11' });
  expect(slow).toMatchObject({ endpoint: 'slow', behaviour: 'slow', status: 200 });
  expect(slow!.doneUs! - slow!.atUs).toBeGreaterThanOrEqual(299_000);
  expect(broken).toMatchObject({ endpoint: 'broken', behaviour: 'status', status: 503 });
  expect(unknown).toMatchObject({ endpoint: '', behaviour: 'unknown', status: 404 });
  expect(closed).toMatchObject({
    endpoint: 'closed',
    behaviour: 'closed',
    status: 0,
    body: 'body',
  });
  expect(closed!.doneUs).not.toBeNull();
  expect(never).toMatchObject({ endpoint: 'never', behaviour: 'hanging', status: 0, doneUs: null });
  // The clock of the history, which is the same in every process.
  expect(good!.atUs).toBeGreaterThan(fromUs);
  expect(never!.atUs).toBeLessThan(monotonicUs());
});

test('behaviours change at run time, and are reset to the declared ones', async () => {
  expect(endpoints.names).toEqual(['good', 'slow', 'never', 'broken', 'closed']);
  await endpoints.set(['good', 'broken'], { kind: 'status', status: 429 });
  expect(await post('good')).toBe(429);
  expect(await post('broken')).toBe(429);
  expect(await endpoints.behaviourOf('good')).toBe('status 429');
  await endpoints.reset(['good']);
  expect(await post('good')).toBe(200);
  expect(await endpoints.behaviourOf('good')).toBe('healthy');
  expect(await endpoints.behaviourOf('broken')).toBe('status 429');
  await expect(endpoints.set(['none'], { kind: 'healthy' })).rejects.toThrow(
    'hooks has no endpoint none; known: good, slow, never, broken, closed',
  );
  await expect(endpoints.set(['good'], { kind: 'slow', delayMs: -1 })).rejects.toThrow(RangeError);
  await expect(endpoints.behaviourOf('none')).rejects.toThrow(RangeError);
});

test('kill -9 loses no answered request; a restart keeps the address, the behaviours and the log', async () => {
  await endpoints.set(['good'], { kind: 'status', status: 202 });
  const answers = Array.from({ length: 200 }, (_, index) => post('good', `${index}`));
  await Promise.all(answers.slice(0, 100));
  const [member] = node.members;
  await member!.signal('SIGKILL');
  const answered = (await Promise.allSettled(answers)).flatMap((answer, index) =>
    answer.status === 'fulfilled' ? [`${index}`] : [],
  );
  expect(await member!.probe()).toBe('hooks is not running');
  await expect(endpoints.set(['good'], { kind: 'healthy' })).rejects.toThrow(
    'hooks is not running',
  );
  expect((await arrivals()).map(({ body }) => body)).toEqual(expect.arrayContaining(answered));
  const before = (await arrivals()).length;
  await member!.restart();
  expect(await member!.probe()).toBe(true);
  expect(await post('good')).toBe(202);
  expect(await arrivals()).toHaveLength(before + 1);
});

test('the receiver can be paused like any member', async () => {
  const [member] = node.members;
  expect(node).toMatchObject({ kind: 'receiver', region: 'eu' });
  await member!.signal('SIGSTOP');
  expect(await member!.probe()).toBe('hooks is paused');
  await member!.signal('SIGCONT');
  expect(await member!.probe()).toBe(true);
  expect(await arrivals()).toEqual([]);
});

test('requests that are unanswered at the stop are in the log', async () => {
  await endpoints.set(['slow'], { kind: 'slow', delayMs: 60_000 });
  const waiting = post('slow', 'waiting').catch(() => 0);
  await new Promise((resolve) => setTimeout(resolve, 200));
  // Answered after it, so it has arrived.
  expect(await post('good')).toBe(200);
  await node.members[0]!.signal('SIGTERM');
  expect(await waiting).toBe(0);
  const record = (await arrivals()).find(({ body }) => body === 'waiting');
  expect(record).toMatchObject({ endpoint: 'slow', doneUs: null, status: 0 });
});

test('thousands of requests may hang at once; the others are served', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const count = 3_000;
  const requests = Array.from({ length: count }, () => {
    const request = http.get(at('never'), { agent });
    request.on('error', () => {});
    return request;
  });
  try {
    const logged = () => readFileSync(node.logFile!, 'utf8').split('\n').length - 1;
    await eventually('all have arrived', () => logged() >= count, 30_000);
    expect(await post('good')).toBe(200);
    expect(await node.members[0]!.probe()).toBe(true);
    await endpoints.set(['never'], { kind: 'healthy' });
    expect(await post('never')).toBe(200);
  } finally {
    for (const request of requests) request.destroy();
    agent.destroy();
  }
  expect((await arrivals()).filter(({ doneUs }) => doneUs === null)).toHaveLength(count);
}, 60_000);

test('long bodies are truncated in the log, and rejected above the limit', async () => {
  expect(await post('good', 'x'.repeat(40_000))).toBe(200);
  const endless = await post('good', 'x'.repeat(9_000_000)).catch(() => 413);
  expect(endless).toBe(413);
  const [cut, refused] = await arrivals();
  expect(cut).toMatchObject({ truncated: true, status: 200, behaviour: 'healthy' });
  expect(cut!.body).toHaveLength(32_768);
  expect(refused).toMatchObject({ truncated: true, status: 413, behaviour: 'refused' });
});

test('it survives senders that disconnect and bytes that are no HTTP', async () => {
  const port = Number(new URL(node.address.url).port);
  const half = net.connect(port, '127.0.0.1');
  half.write('POST /good HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf');
  await new Promise((resolve) => setTimeout(resolve, 200));
  half.destroy();
  const noise = net.connect(port, '127.0.0.1');
  noise.on('error', () => {});
  noise.end('\0\u0001 no HTTP \r\n\r\n');
  await once(noise.resume(), 'close');
  expect(await post('good')).toBe(200);
  await eventually('both are logged', async () => (await arrivals()).length === 2);
  expect((await arrivals()).find(({ body }) => body === 'half')).toMatchObject({
    truncated: true,
    doneUs: null,
    status: 0,
  });
});

test('kill -9 of the run ends it', async () => {
  const owner = spawn(
    process.execPath,
    [fixture('node-owner.mjs'), JSON.stringify({ hooks: spec })],
    { env: scratch.env, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = await once(owner.stdout!, 'data', { signal: AbortSignal.timeout(20_000) });
  const owned = JSON.parse(String(line)) as { folder: string; pids: { hooks: number[] } };
  owner.kill('SIGKILL');
  await eventually('the receiver is gone', () =>
    owned.pids.hooks.every((pid) => startTimeOf(pid) === null),
  );
  await eventually('the folder is gone', () => !existsSync(owned.folder));
});

test('its port is free when it has been stopped', async () => {
  const port = Number(new URL(node.address.url).port);
  await bed.stop();
  expect(await isPortOpen(port)).toBe(false);
});
