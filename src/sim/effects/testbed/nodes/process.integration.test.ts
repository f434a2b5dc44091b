/** Real programs as nodes: what is right, and everything that can be wrong with a program that is not ours. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { EnvironmentError } from '../../../errors.ts';
import type { ProcessSpec } from '../../../topology.ts';
import { isPortOpen } from '../../process/free-port.ts';
import { cleanUpLeftovers, findLeftovers } from '../../process/leftovers.ts';
import { startTimeOf } from '../../process/process-table.ts';
import { eventually, fixture, makeScratch, type Scratch } from '../fixtures/bed.ts';
import { type NodeBed, openNodeBed } from '../fixtures/node-context.ts';
import type { RunningNode } from '../node.ts';
import { singleServerAddress } from '../process-contract.ts';

let scratch: Scratch;
let beds: NodeBed[] = [];
const exits: string[] = [];
beforeAll(async () => {
  scratch = await makeScratch();
});
afterEach(async () => {
  for (const bed of beds) await bed.stop();
  beds = [];
  exits.length = 0;
  expect(readdirSync(path.join(scratch.cache, 'runs'))).toEqual([]);
});
afterAll(() => scratch.remove());

const program = (...args: string[]): readonly [string, ...string[]] => [
  process.execPath,
  fixture('program.mjs'),
  ...args,
];
const command = (args: readonly [string, ...string[]], more: Partial<ProcessSpec> = {}) => ({
  kind: 'process' as const,
  start: { command: args },
  ...more,
});

async function open(spec: ProcessSpec, env: NodeJS.ProcessEnv = {}): Promise<NodeBed> {
  const bed = await openNodeBed(
    { worker: spec },
    {
      env: { ...scratch.env, ...env },
      onUnexpectedExit: ({ name, status }) => exits.push(`${name} ${status}`),
    },
  );
  beds.push(bed);
  return bed;
}
const start = async (spec: ProcessSpec) => await (await open(spec)).start('worker');
const portOf = (node: RunningNode) => Number(new URL(node.address.url).port);

/** Processes whose command line has this word. */
const running = (word: string): number[] =>
  readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      return words[0] === 'sleep' && words.includes(word) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
/** Seconds that no other test sleeps for. */
const uniqueSleep = () => `${600 + Math.floor(Math.random() * 1_000_000)}.${process.pid}`;

async function failureOf(start: Promise<unknown>): Promise<EnvironmentError> {
  const error = await start.then(
    () => null,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(EnvironmentError);
  const lines = (error as EnvironmentError).toLines().split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/^worker /);
  expect(lines[2]).toMatch(/^next: ./);
  return error as EnvironmentError;
}

test('any program gets a port, its edges and its own variables, and not the operator’s servers', async () => {
  const folder = path.join(scratch.root, 'elsewhere');
  mkdirSync(folder, { recursive: true });
  const spec = command(program(), {
    start: { command: program(), cwd: folder, env: { COLOR: 'green' } },
    ready: { http: '/health' },
    region: 'eu',
  });
  const bed = await open(spec, { DATABASE_URL: 'postgres://operator' });
  const node = await bed.start('worker', {
    STORE_URL: singleServerAddress('redis://127.0.0.1:1', 'ps:'),
  });
  const reported = await (await fetch(node.address.url)).json();
  expect(reported).not.toHaveProperty('DATABASE_URL');
  expect(reported).toMatchObject({
    PORT: `${portOf(node)}`,
    HOST: '127.0.0.1',
    STORE_URL: 'redis://127.0.0.1:1',
    COLOR: 'green',
    cwd: folder,
  });
  expect(node).toMatchObject({ name: 'worker', kind: 'process', region: 'eu', version: null });
  expect(node.address).toEqual(singleServerAddress(node.address.url));
  expect(await node.readWork()).toEqual([]);
  expect(node.members.map(({ name }) => name)).toEqual(['worker']);
  const [pid] = node.pids!();
  await bed.stop();
  expect(startTimeOf(pid!)).toBeNull();
  expect(await isPortOpen(portOf(node))).toBe(false);
});

test('modules start together, and restart at the same addresses with the same configuration', async () => {
  const bed = await open({
    kind: 'process',
    start: { module: fixture('service.mjs') },
    ready: { message: true },
    instances: 3,
    params: { answer: 42 },
  });
  const database = singleServerAddress('postgres://127.0.0.1/x', 'platform');
  const node = await bed.start('worker', { database });
  expect(node.members.map(({ name }) => name)).toEqual(['worker.1', 'worker.2', 'worker.3']);
  expect(node.address.urls).toEqual(node.members.map(({ url }) => url));
  const second = node.members[1]!;
  const reported = async () => await (await fetch(second.url)).json();
  const before = await reported();
  expect(before).toMatchObject({
    name: 'worker.2',
    addresses: { database },
    seed: 1,
    stateDirectory: bed.context.stateDirectory,
    params: { answer: 42, instance: 'worker.2', port: Number(new URL(second.url).port) },
  });
  const pid = second.pid();
  expect(await second.signal('SIGKILL')).toBe(`SIGKILL to worker.2, process ${pid}`);
  expect(second.pids()).toEqual([]);
  expect(await second.probe()).toBe('worker.2 is not running');
  await second.restart();
  expect(second.pid()).not.toBe(pid);
  expect(await reported()).toEqual(before);
  expect(await second.probe()).toBe(true);
  expect(exits).toEqual([]);
});

test('a module can be probed for readiness over HTTP', async () => {
  const node = await start({
    kind: 'process',
    start: { module: fixture('service.mjs') },
    ready: { http: '/' },
    params: { mute: true },
  });
  expect(await node.members[0]!.probe()).toBe(true);
});

test.each([
  ['tcp', { tcp: true }],
  ['a line of output', { output: 'accepting' }],
] as const)('%s is a sign of life; a pause is seen, and the address is kept', async (_, ready) => {
  const node = await start(command(program(), { ready }));
  const [member] = node.members;
  expect((await fetch(member!.url)).status).toBe(200);
  expect(await member!.probe()).toBe(true);
  await member!.signal('SIGSTOP');
  expect(await member!.probe()).toBe('worker is paused');
  await member!.signal('SIGCONT');
  expect(await member!.probe()).toBe(true);
  // The line of the first start must not count for the second.
  await member!.signal('SIGTERM');
  await member!.restart();
  expect((await fetch(member!.url)).status).toBe(200);
});

test('an unexpected exit is reported', async () => {
  const node = await start(command(program()));
  process.kill(node.members[0]!.pid(), 'SIGKILL');
  await eventually('the exit is reported', () => exits.length > 0);
  expect(exits).toEqual(['worker killed by SIGKILL']);
});

test('a program that does not exist', async () => {
  const error = await failureOf(start(command(['no-such-program', '--x'])));
  expect(error.what).toBe('worker cannot be started: there is no program no-such-program');
  expect(error.why).toContain(scratch.env.PATH);
  expect(error.exitCode).toBe(3);
  const other = await failureOf(start(command(['./bin/missing'])));
  expect(other.why).toBe(`${path.resolve('bin/missing')} is not a file`);
});

test('a program that is not executable, or in a folder that does not exist', async () => {
  const file = path.join(scratch.root, 'plain.sh');
  writeFileSync(file, '#!/bin/sh\n', { mode: 0o644 });
  const error = await failureOf(start(command([file])));
  expect(error.what).toContain('is not executable');
  expect(error.next).toBe(`chmod +x ${file}`);
  const spec = command(program(), { start: { command: program(), cwd: '/no/such/folder' } });
  expect((await failureOf(start(spec))).what).toBe('worker cannot be started in /no/such/folder');
});

test('a program that exits at once: its last output, without escape codes, and the command to repeat it', async () => {
  const error = await failureOf(start(command(program('exit'))));
  expect(error.what).toBe('worker ended before it was ready (exit status 3)');
  expect(error.why).toMatch(
    /^its last output: \[31mno configuration \[0m in \/etc\/worker\.toml; log: /,
  );
  expect(error.next).toMatch(/^HOST=127\.0\.0\.1 PORT=\d+ .*program\.mjs exit$/);
});

test('a program that never becomes ready', async () => {
  const silent = await failureOf(start(command(program('silent'), { readyWithinMs: 700 })));
  expect(silent.what).toMatch(
    /^worker was not ready after 0\.7 s: nothing accepts connections on port \d+$/,
  );
  expect(silent.why).toMatch(/^it has printed nothing; log: /);
  const health = await failureOf(
    start(
      command(program(), {
        start: { command: program(), env: { HEALTH: '503' } },
        ready: { http: '/health' },
        readyWithinMs: 1_500,
      }),
    ),
  );
  expect(health.what).toMatch(/GET \/health on port \d+ is answered with 503$/);
  const output = await failureOf(
    start(command(program(), { ready: { output: 'never said' }, readyWithinMs: 1_500 })),
  );
  expect(output.what).toMatch(/no line of its output contains "never said"$/);
  expect(output.why).toContain('its last output: accepting requests');
});

test('a program that listens on another port', async () => {
  const error = await failureOf(start(command(program('elsewhere'), { readyWithinMs: 1_500 })));
  expect(error.why).toMatch(/^it listens on port \d+ instead of \d+, which PORT names; its last/);
});

test('a program that ignores SIGTERM is killed after its deadline, by a fault and by stop', async () => {
  const seen = path.join(scratch.root, 'seen');
  const spec = command(program('stubborn', seen), { killAfterMs: 300 });
  const bed = await open(spec);
  const node = await bed.start('worker');
  const [member] = node.members;
  const pid = member!.pid();
  await member!.signal('SIGTERM');
  expect(startTimeOf(pid)).toBeNull();
  await member!.restart();
  const next = member!.pid();
  await bed.stop();
  expect(startTimeOf(next)).toBeNull();
  expect(readFileSync(seen, 'utf8')).toBe('ignored ignored ');
});

test('a child that has left its parent belongs to the program and does not survive it', async () => {
  const word = uniqueSleep();
  const bed = await open(command(program('fork', word)));
  const node = await bed.start('worker');
  await eventually('the child sleeps', () => running(word).length === 1);
  const [member] = node.members;
  expect(node.pids!()).toEqual(expect.arrayContaining([member!.pid(), ...running(word)]));
  await member!.signal('SIGKILL');
  await eventually('the child is gone', () => running(word).length === 0);
  await member!.restart();
  await eventually('the child sleeps', () => running(word).length === 1);
  // Nobody asked for this death; what it leaves goes as well.
  process.kill(member!.pid(), 'SIGKILL');
  await eventually('the exit is reported', () => exits.length > 0);
  await eventually('the child is gone', () => running(word).length === 0);
  await member!.restart();
  await eventually('the child sleeps', () => running(word).length === 1);
  await bed.stop();
  expect(running(word)).toEqual([]);
});

test('a program that goes to the background is rejected', async () => {
  const word = uniqueSleep();
  const error = await failureOf(start(command(program('daemon', word))));
  expect(error.what).toBe('worker ended before it was ready (exit status 0)');
  expect(error.why).toContain('it left 1 process in the background, which ended with it');
  expect(running(word)).toEqual([]);
});

test('a gigabyte of output is cut to its beginning and end', async () => {
  const bed = await open(command(program('flood', '1024'), { readyWithinMs: 60_000 }));
  const log = bed.context.logFile('worker');
  let largest = 0;
  const watch = setInterval(() => {
    largest = Math.max(largest, statSync(log, { throwIfNoEntry: false })?.size ?? 0);
  }, 10);
  const node = await bed.start('worker');
  clearInterval(watch);
  // What fits between two checks, however late one of them is.
  expect(largest).toBeLessThan(900_000_000);
  await node.members[0]!.signal('SIGTERM');
  const text = readFileSync(log, 'utf8');
  expect(text.length).toBeLessThan(17_000_000);
  expect(text.startsWith('the first line\n')).toBe(true);
  expect(text).toMatch(/\n\[platform: removed \d+ bytes of output here to bound this log\]\n/);
  expect(text).toContain('the last line\n');
});

test('several instances of a program have a port each; one that fails stops the others', async () => {
  const bed = await open(command(program(), { instances: 2, ready: { http: '/health' } }));
  const node = await bed.start('worker');
  expect(new Set(node.address.urls).size).toBe(2);
  await bed.stop();
  const failing = await open(command(program('exit'), { instances: 2 }));
  await expect(failing.start('worker')).rejects.toThrow(/^worker\.[12] ended before it was ready/);
});

test('an abort ends the wait for readiness', async () => {
  const abort = new AbortController();
  const bed = await openNodeBed(
    { worker: command(program('silent')) },
    { env: scratch.env, signal: abort.signal },
  );
  beds.push(bed);
  setTimeout(() => abort.abort(new Error('interrupted')), 400);
  await expect(bed.start('worker')).rejects.toThrow('interrupted');
});

interface Owned {
  readonly folder: string;
  readonly pids: Readonly<Record<string, number[]>>;
}

async function startOwner(spec: ProcessSpec) {
  const owner = spawn(
    process.execPath,
    [fixture('node-owner.mjs'), JSON.stringify({ worker: spec })],
    { env: scratch.env, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = await once(owner.stdout!, 'data', { signal: AbortSignal.timeout(20_000) });
  return { owner, owned: JSON.parse(String(line)) as Owned };
}

test('kill -9 of the run: the reaper finds processes that left their parent', async () => {
  const word = uniqueSleep();
  const { owner, owned } = await startOwner(command(program('fork', word)));
  await eventually('the child sleeps', () => running(word).length === 1);
  owner.kill('SIGKILL');
  await eventually('the folder is gone', () => !existsSync(owned.folder));
  expect(running(word)).toEqual([]);
  expect(owned.pids.worker!.filter((pid) => startTimeOf(pid) !== null)).toEqual([]);
});

test('a process that was started during the cleanup is found by its marker', async () => {
  const word = uniqueSleep();
  const folder = path.join(scratch.cache, 'runs', 'gone');
  const orphan = spawn('sleep', [word], { env: { PATH: process.env.PATH, PLATFORM_RUN: folder } });
  const ended = once(orphan, 'exit');
  const [leftover, ...others] = await findLeftovers(scratch.cache);
  expect(others).toEqual([]);
  expect(leftover).toEqual({ runId: 'gone', folder, lease: null, runningChildren: ['sleep'] });
  const notes: string[] = [];
  await cleanUpLeftovers(scratch.cache, (note) => notes.push(note));
  expect(notes).toEqual(['removed what the killed run gone left behind']);
  await ended;
  expect(running(word)).toEqual([]);
});
