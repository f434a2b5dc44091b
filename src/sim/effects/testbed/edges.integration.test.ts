/** Edges over plain HTTP servers in the test's own process: two gateways, two regions, one receiver with two servers. */
import http from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeName, membersOf } from '../../plan/fault-target.ts';
import { CLIENT, type EdgeSpec, type Topology } from '../../topology.ts';
import { makeProxyBed, type ProxyBed, rawClient } from '../faults/proxy/fixtures/proxy-bed.ts';
import { UndoStack } from '../process/undo-stack.ts';
import { TestbedEdges } from './edges.ts';
import type { RunningNode } from './node.ts';

const start = { module: 'any.js' };
const topology: Topology = {
  nodes: {
    gateway: { kind: 'process', start, instances: 2, region: 'us' },
    far: { kind: 'process', start, instances: 2, region: 'eu' },
    near: { kind: 'process', start, region: 'us' },
    direct: { kind: 'process', start, region: 'us' },
  },
  edges: [
    { from: CLIENT, to: 'gateway', proxied: true },
    { from: 'gateway', to: 'far', proxied: true, roundTripMs: 60 },
    { from: 'gateway', to: 'near', proxied: true },
    { from: 'gateway', to: 'direct' },
  ],
  jobs: [],
};
const [toGateway, toFar, toNear, toDirect] = topology.edges as [
  EdgeSpec,
  EdgeSpec,
  EdgeSpec,
  EdgeSpec,
];

let bed: ProxyBed;
let edges: TestbedEdges;
const undo = new UndoStack();
const open = (given: Topology = topology) =>
  TestbedEdges.open({
    topology: given,
    membersOf: (name) => membersOf(name, given.nodes[name]!)!,
    seed: 7,
    cores: null,
    lease: bed.lease,
    undo,
    logFile: `${bed.folder}/edges.log`,
  });

/** A node whose every process is a server that answers with the process's name. */
async function running(name: string): Promise<RunningNode> {
  const names = membersOf(name, topology.nodes[name]!)!;
  const servers = await Promise.all(
    names.map(async (member) => {
      const port = await bed.serve((_, response) => response.end(member));
      return { name: member, url: `http://127.0.0.1:${port}` };
    }),
  );
  const urls = servers.map(({ url }) => url);
  return {
    name,
    kind: 'process',
    region: topology.nodes[name]!.region ?? 'local',
    version: null,
    members: servers.map((one) => ({
      ...one,
      pid: () => 0,
      pids: () => [],
      signal: async () => '',
      restart: async () => {},
      probe: async () => true,
    })),
    address: { url: urls[0]!, urls, namespace: `${name}:` },
    pids: null,
    cores: 'any',
    coreCount: 1,
    capabilities: {},
    readWork: async () => [],
  };
}

const nodes = new Map<string, RunningNode>();
beforeAll(async () => {
  bed = await makeProxyBed();
  edges = await open();
  for (const name of ['far', 'near', 'direct', 'gateway']) {
    const node = await running(name);
    nodes.set(name, node);
    await edges.connect(node);
  }
});
afterAll(async () => {
  await undo.unwind();
  await bed.remove();
});

/** Over a connection of its own: a pool could reuse one that a blackhole has swallowed. */
const get = (url: string, limitMs = 5_000) =>
  new Promise<string>((resolve) => {
    const signal = AbortSignal.timeout(limitMs);
    const failed = ({ code = '' }: NodeJS.ErrnoException) =>
      resolve(code === 'ABORT_ERR' ? 'timeout' : code);
    http
      .get(url, { agent: false, signal }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part) => {
          text += part;
        });
        response.on('end', () => resolve(text)).on('error', failed);
      })
      .on('error', failed);
  });
const all = (edge: EdgeSpec, member: string, limitMs?: number) =>
  Promise.all(edges.addressOf(edge, member).urls.map((url) => get(url, limitMs)));

describe('the address of an edge', () => {
  it('is a route for each pair of processes, with the namespace of the node', async () => {
    const urls = [
      ...edges.addressOf(toFar, 'gateway.1').urls,
      ...edges.addressOf(toFar, 'gateway.2').urls,
      ...edges.addressOf(toGateway, CLIENT).urls,
    ];
    expect(new Set(urls).size).toBe(6);
    expect(await all(toFar, 'gateway.2')).toEqual(['far.1', 'far.2']);
    expect(await all(toGateway, CLIENT)).toEqual(['gateway.1', 'gateway.2']);
    const { url, urls: near, namespace } = edges.addressOf(toNear, 'gateway.1');
    expect(near).toEqual([url]);
    expect(namespace).toBe('near:');
  });

  it('is that of the node where the edge is direct', () => {
    expect(edges.addressOf(toDirect, 'gateway.1')).toBe(nodes.get('direct')!.address);
  });

  it('is not known before the node is up', async () => {
    const early = await open();
    expect(() => early.addressOf(toNear, 'gateway.1')).toThrow('near is not up');
  });
});

describe('a rule', () => {
  it.each([
    ['gateway->far', [], []],
    ['gateway.2->far', ['far.1', 'far.2'], []],
    ['gateway->far.1', ['far.2'], ['far.2']],
    ['gateway.1->far.2', ['far.1'], ['far.1', 'far.2']],
  ])('on %s acts there and nowhere else', async (target, first, second) => {
    await edges.apply(target, { kind: 'reset' });
    const seen = [await all(toFar, 'gateway.1'), await all(toFar, 'gateway.2')];
    expect(seen.map((texts) => texts.filter((text) => text.startsWith('far')))).toEqual([
      first,
      second,
    ]);
    expect(await edges.probe(target)).toMatch(/^no answer through gateway/);
    expect(await edges.countResponding(target, 200)).toBe(0);
    expect(await all(toNear, 'gateway.1')).toEqual(['near']);
    await edges.clear(target);
    await edges.clear(target);
    expect(await edges.probe(target)).toBe(true);
  });

  it('cuts one process off from the client', async () => {
    await edges.apply('client->gateway.2', { kind: 'blackhole' });
    expect(await all(toGateway, CLIENT, 200)).toEqual(['gateway.1', 'timeout']);
    expect(await edges.countResponding('client->gateway', 200)).toBe(1);
    await edges.clear('client->gateway.2');
    expect(await all(toGateway, CLIENT)).toEqual(['gateway.1', 'gateway.2']);
  });

  it('reports decisions under the names of its routes', async () => {
    await edges.apply('gateway.1->near', { kind: 'cut-reply', every: 1 });
    expect(await all(toNear, 'gateway.1')).not.toEqual(['near']);
    await edges.clear('gateway.1->near');
    const [one] = edges.decisionsOn('gateway->near');
    expect(one).toMatchObject({ name: 'cut-reply', detail: 'gateway.1->near request 1: GET /' });
    expect(edges.decisionsOn('gateway.2->near')).toEqual([]);
  });

  it.each([
    ['gateway->direct', /edge gateway->direct is not proxied; routes: .*gateway\.1->near/],
    ['gateway.3->near', /no edge gateway\.3->near/],
    ['near->far', /no edge near->far/],
    ['near', /near is not an edge/],
  ])('on %s is refused', async (target, message) => {
    expect(() => edges.assertProxied(target)).toThrow(message);
    await expect(edges.apply(target, { kind: 'reset' })).rejects.toThrow(message);
    await expect(edges.probe(target)).rejects.toThrow(message);
  });
});

describe('an edge between regions', () => {
  it('adds its round trip to the delay of a fault, and keeps it afterwards', async () => {
    const { url } = edges.addressOf(toFar, 'gateway.1');
    const took = async () => {
      const startMs = performance.now();
      expect(await get(url)).toBe('far.1');
      return performance.now() - startMs;
    };
    expect(await took()).toBeGreaterThan(57);
    await edges.apply('gateway.1->far', { kind: 'latency', meanMs: 90, jitterMs: 0 });
    expect(await took()).toBeGreaterThan(147);
    await edges.clear('gateway.1->far');
    expect(await took()).toBeGreaterThan(57);
    // The probe waits for the edge's own latency, whatever it is given.
    expect(await edges.countResponding('gateway->far', 30)).toBe(4);
  });
});

it('counts the bytes of each route, none in a blackhole', async () => {
  await edges.apply('gateway->near', { kind: 'blackhole' });
  expect(await all(toNear, 'gateway.1', 100)).toEqual(['timeout']);
  const none = { 'gateway.1->near': 0, 'gateway.2->near': 0 };
  expect(await edges.bytesForwarded('gateway->near')).toEqual(none);
  await edges.clear('gateway->near');
  expect(await all(toNear, 'gateway.1')).toEqual(['near']);
  const { 'gateway.1->near': one, ...others } = await edges.bytesForwarded('gateway->near');
  expect(one).toBeGreaterThan(100);
  expect(others).toEqual({ 'gateway.2->near': 0 });
});

it('points every process at another server after a failover', async () => {
  const { url } = edges.addressOf(toNear, 'gateway.1');
  const open = await rawClient(Number(new URL(url).port));
  open.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await open.until(1);
  const port = await bed.serve((_, response) => response.end('the new one'));
  await edges.retarget('near', `http://127.0.0.1:${port}`);
  expect(await open.fate(5_000)).toBe('ECONNRESET');
  expect(await all(toNear, 'gateway.1')).toEqual(['the new one']);
  expect(await all(toNear, 'gateway.2')).toEqual(['the new one']);
  expect(edges.addressOf(toNear, 'gateway.1').url).toBe(url);
  expect(await all(toFar, 'gateway.1')).toEqual(['far.1', 'far.2']);
  // Nothing leads there through the proxy: nothing to do.
  await edges.retarget('direct', `http://127.0.0.1:${port}`);
});

it('needs no proxy where no edge is proxied', async () => {
  const direct = { ...topology, edges: topology.edges.map(({ from, to }) => ({ from, to })) };
  const none = await open(direct);
  await none.connect(nodes.get('near')!);
  const edge = direct.edges.find((one) => edgeName(one) === 'gateway->near')!;
  expect(none.proxyPid).toBeNull();
  expect(none.addressOf(edge, 'gateway.1')).toBe(nodes.get('near')!.address);
  expect(none.decisions()).toEqual([]);
  expect(none.canObserveCommits()).toBe(false);
  await expect(none.apply('gateway->near', { kind: 'reset' })).rejects.toThrow();
  await none.retarget('near', 'http://127.0.0.1:1');
});

it('sees a COMMIT only where a PostgreSQL is behind an edge', async () => {
  const { signal } = new AbortController();
  expect(edges.canObserveCommits()).toBe(false);
  await expect(edges.waitForCommitInFlight(10, signal)).rejects.toThrow(
    'no route carries PostgreSQL',
  );
  const url = 'postgres://postgres@127.0.0.1:1/postgres';
  const other = await open({
    ...topology,
    nodes: { ...topology.nodes, db: { kind: 'postgres' } },
    edges: [{ from: 'gateway', to: 'db', proxied: true }],
  });
  const node = await running('near');
  await other.connect({ ...node, name: 'db', address: { url, urls: [url], namespace: '' } });
  expect(other.canObserveCommits()).toBe(true);
  await expect(other.waitForCommitInFlight(10, signal)).rejects.toThrow('no COMMIT was forwarded');
});
