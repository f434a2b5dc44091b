import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PlannedFault } from '../../fault-plan.ts';
import type { FaultRecord } from '../../history.ts';
import { contradictions } from '../../pure/faults/fault-evidence.ts';
import { isPaused, startTimeOf } from '../process/process-table.ts';
import { UndoStack } from '../process/undo-stack.ts';
import { TestbedEdges } from '../testbed/edges.ts';
import { bedTopology, makeScratch, type Scratch } from '../testbed/fixtures/bed.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';
import { type NemesisOptions, startNemesis } from './nemesis.ts';

let scratch: Scratch;
let testbed: Testbed;
const originMs = performance.now();
const nowUs = () => Math.round((performance.now() - originMs) * 1_000);
const start = (runId: string) =>
  startTestbed({
    runId,
    logFolder: scratch.logFolder,
    topology: bedTopology({ instances: 2, proxied: ['gateway->redis', 'gateway->postgres'] }),
    seed: 7,
    cores: null,
    onNote: () => {},
    env: scratch.env,
  });
beforeAll(async () => {
  scratch = await makeScratch();
  testbed = await start('nemesis');
});
afterAll(async () => {
  await testbed.stop();
  await scratch.remove();
});

const planned = (faults: readonly PlannedFault[], more: Partial<NemesisOptions> = {}) =>
  startNemesis({
    faults,
    targets: testbed,
    nowUs,
    waitForAcknowledged: () => new Promise(() => {}),
    signal: new AbortController().signal,
    ...more,
  });
const eventsOf = (records: readonly FaultRecord[], name: string) =>
  records.filter((record) => record.name === name).map(({ event }) => event);
const at = { afterMs: 0 };
const partition: PlannedFault = {
  name: 'redis-partition',
  at,
  fault: { kind: 'link', target: 'gateway->redis', rule: { kind: 'blackhole' } },
};
const pause: PlannedFault = { name: 'pause', at, fault: { kind: 'pause', target: 'gateway.1' } };
const killed = (target: string, name = `${target}-killed`): PlannedFault => ({
  name,
  at,
  fault: { kind: 'kill', target, signal: 'SIGKILL' },
});
const isUp = async (of: Testbed, name: string) => (await of.members(name)[0]!.probe()) === true;
const allUp = async () => {
  const names = ['redis', 'postgres', 'gateway.1', 'gateway.2'];
  const processes = await Promise.all(names.map((name) => testbed.members(name)[0]!.probe()));
  const edges = [testbed.edges.probe('gateway->redis')];
  return [...processes, ...(await Promise.all(edges))].filter((answer) => answer !== true);
};
const whole = ['apply', 'landed', 'measured', 'undo', 'healed'];
const contradicted = (records: readonly FaultRecord[]) =>
  contradictions(records.flatMap(({ evidence = [] }) => evidence));

test('applies each fault when it is due and heals it in time', async () => {
  const answered: string[] = [];
  const acknowledged = async (operation: string) => {
    await sleep(150);
    answered.push(operation);
  };
  const nemesis = planned(
    [
      { ...partition, forMs: 300 },
      {
        ...killed('gateway.2'),
        at: { afterMs: 50, acknowledged: { operation: 'logout', lagMs: 20 } },
        forMs: 0,
      },
    ],
    { waitForAcknowledged: acknowledged },
  );
  await sleep(2_500);
  const early = await allUp(); // The phase goes on: forMs heals without its end.
  const { records, problems } = await nemesis.end();
  expect(early).toEqual([]);
  expect(problems).toEqual([]);
  expect(answered).toEqual(['logout']);
  for (const name of ['redis-partition', 'gateway.2-killed'])
    expect(eventsOf(records, name)).toEqual(whole);
  expect(contradicted(records)).toEqual([]);
  const kill = records.filter(({ name }) => name === 'gateway.2-killed');
  expect(kill[0]!.detail).toBe('20 ms after an acknowledged logout');
  expect(kill[1]!.detail).toMatch(/^SIGKILL to gateway\.2, process \d+$/);
  const times = records.map(({ atUs }) => atUs);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(await nemesis.end()).toEqual({ records, problems });
});

test('kills PostgreSQL while a COMMIT is in flight', async () => {
  const plan = { ...killed('postgres'), at: { afterMs: 0, commitInFlight: true }, forMs: 0 };
  const nemesis = planned([plan]);
  const url = `${testbed.targets[0]!.url}/postgres`;
  await sleep(100);
  expect((await fetch(url)).status).toBe(503);
  const { records, problems } = await nemesis.end();
  expect(problems).toEqual([]);
  expect(eventsOf(records, 'postgres-killed')).toEqual(whole);
  expect((await fetch(url)).status).toBe(200);
});

test('undoes a fault without a duration at the end of the phase', async () => {
  const nemesis = planned([pause, partition, killed('redis')]);
  await expect.poll(() => isPaused(testbed.members('gateway')[0]!.pid())).toBe(true);
  await expect.poll(() => isUp(testbed, 'redis')).toBe(false);
  const { records, problems } = await nemesis.end();
  expect(problems).toEqual([]);
  for (const { name } of [pause, partition, killed('redis')])
    expect(eventsOf(records, name)).toEqual(whole);
  expect(contradicted(records)).toEqual([]);
  expect(await allUp()).toEqual([]);
});

test('an abort heals every applied fault and reports no pending one as missed', async () => {
  const abort = new AbortController();
  const later = { ...killed('postgres'), at: { afterMs: 60_000 } };
  const nemesis = planned([pause, partition, killed('gateway.2'), later], { signal: abort.signal });
  await expect.poll(() => isUp(testbed, 'gateway.2')).toBe(false);
  abort.abort(new Error('Ctrl-C'));
  await expect.poll(allUp, { timeout: 10_000 }).toEqual([]);
  const { records, problems } = await nemesis.end();
  for (const { name } of [pause, killed('gateway.2')])
    expect(eventsOf(records, name)).toEqual(whole);
  expect(problems).toEqual([]);
});

test('reports that a fault never landed when the phase ended before it', async () => {
  const nemesis = planned([{ ...killed('postgres'), at: { afterMs: 60_000 } }]);
  expect((await nemesis.end()).problems).toEqual([
    'postgres-killed never landed: waited for after 60000 ms, the phase ended first',
  ]);
});

test.each([
  ['its event does not come', { afterMs: 0, acknowledged: { operation: 'logout', lagMs: 0 } }],
  ['no COMMIT is sent', { afterMs: 0, commitInFlight: true }],
])('tells that a fault never landed when %s', async (_, trigger) => {
  const nemesis = planned([{ ...killed('redis'), at: trigger }], { limits: { triggerMs: 100 } });
  await sleep(300);
  const { records, problems } = await nemesis.end();
  expect(records).toEqual([]);
  expect(problems).toEqual([
    expect.stringMatching(/^redis-killed never landed: waited for .*(0\.1 s|100 ms)$/),
  ]);
});

test('reports that a fault never landed when no request met it, and undoes it', async () => {
  const fault = {
    kind: 'link',
    target: 'gateway->redis',
    rule: { kind: 'cut-reply', every: 1 },
  } as const;
  const nemesis = planned([{ name: 'cut', at, fault }], { limits: { landMs: 100 } });
  await sleep(50);
  const { records, problems } = await nemesis.end();
  expect(eventsOf(records, 'cut')).toEqual(['apply', 'undo', 'healed']);
  expect(problems).toEqual(['cut never landed: nothing within 0.1 s']);
});

test('keeps the seeded choices of a fault under its name', async () => {
  const fault = {
    kind: 'link',
    target: 'gateway.1->redis',
    rule: { kind: 'cut-reply', every: 1 },
  } as const;
  const nemesis = planned([{ name: 'cut', at, fault }]);
  await expect.poll(async () => (await fetch(`${testbed.targets[0]!.url}/redis`)).status).toBe(503);
  const { records, problems } = await nemesis.end();
  expect(problems).toEqual([]);
  const [decision] = records.filter(({ event }) => event === 'decision');
  expect(decision).toMatchObject({ name: 'cut', kind: 'fault' });
  const [apply, undo] = ['apply', 'undo'].map((one) => records.find(({ event }) => event === one)!);
  expect(decision!.atUs).toBeGreaterThan(apply!.atUs);
  expect(decision!.atUs).toBeLessThan(undo!.atUs);
});

test('reports that a fault never healed, and heals the others', async () => {
  const { port } = new URL(testbed.targets[0]!.url);
  const squatter: Server = createServer();
  const nemesis = planned([killed('gateway.1'), partition]);
  await expect.poll(() => testbed.members('gateway.1')[0]!.probe()).toMatch('not running');
  await new Promise<void>((resolve) => squatter.listen(Number(port), '127.0.0.1', resolve));
  const { records, problems } = await nemesis.end();
  expect(problems).toEqual([expect.stringMatching(/^gateway\.1-killed never healed: /)]);
  expect(eventsOf(records, 'gateway.1-killed')).toEqual(['apply', 'landed', 'measured', 'undo']);
  expect(eventsOf(records, 'redis-partition')).toEqual(whole);
  await new Promise((resolve) => squatter.close(resolve));
  await testbed.members('gateway.1')[0]!.restart();
  expect(await allUp()).toEqual([]);
});

test('rejects an impossible fault at once', async () => {
  const one = killed('gateway.9');
  expect(() => planned([partition, one])).toThrow('there is no node or process gateway.9');
  const commit = { ...killed('postgres'), at: { afterMs: 0, commitInFlight: true } };
  const edges = await TestbedEdges.open({
    topology: bedTopology(),
    membersOf: () => ['gateway'],
    seed: 7,
    cores: null,
    lease: testbed.lease,
    undo: new UndoStack(),
    logFile: '',
  });
  expect(() => planned([commit], { targets: { ...testbed, edges } })).toThrow(
    'no proxied edge leads to PostgreSQL',
  );
});

test('a run that fails during a fault leaves nothing', async () => {
  const secondTestbed = await start('thrown');
  const pids = () => Object.values(secondTestbed.pids).flatMap((read) => read());
  const before = pids();
  const abort = new AbortController();
  const faults = [pause, partition, killed('postgres'), killed('gateway.2')];
  const nemesis = startNemesis({
    faults,
    targets: secondTestbed,
    nowUs,
    signal: abort.signal,
    waitForAcknowledged: async () => {},
  });
  await expect.poll(() => isUp(secondTestbed, 'postgres')).toBe(false);
  abort.abort(new Error('Ctrl-C'));
  await nemesis.end();
  await secondTestbed.stop();
  expect([...before, ...pids()].filter((pid) => startTimeOf(pid) !== null)).toEqual([]);
  expect(readdirSync(path.join(scratch.cache, 'runs'))).toEqual(['nemesis']);
});
