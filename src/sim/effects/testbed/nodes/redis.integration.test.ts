// Real servers in each of the three modes; one bed for the file, as each test leaves them as it found them.
import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isPortOpen } from '../../process/free-port.ts';
import { processesIn } from '../../process/process-table.ts';
import { eventually } from '../fixtures/bed.ts';
import { type NodeBed, openNodeBed } from '../fixtures/node-context.ts';
import type { RunningNode } from '../node.ts';
import { withRedis } from '../stores/redis-client.ts';

const LIMIT_MS = 5_000;
const retargeted: [string, string][] = [];
let bed: NodeBed;
let single: RunningNode;
let pair: RunningNode;
let cluster: RunningNode;

const namesOf = (node: RunningNode) => node.members.map(({ name }) => name);
const commands = async (node: RunningNode) => (await node.readWork())[0]!.value;
const set = (url: string, key: string) => withRedis(url, LIMIT_MS, (redis) => redis.set(key, '1'));
const get = (url: string, key: string) => withRedis(url, LIMIT_MS, (redis) => redis.get(key));

beforeAll(async () => {
  bed = await openNodeBed(
    {
      cache: {
        kind: 'redis',
        settings: { 'maxmemory-policy': 'allkeys-lru', save: '3600 1 300 100' },
      },
      pair: { kind: 'redis', mode: 'replica' },
      shards: { kind: 'redis', mode: 'cluster', region: 'eu' },
    },
    { retarget: async (node, url) => void retargeted.push([node, url]) },
  );
  [single, pair, cluster] = await Promise.all([
    bed.start('cache'),
    bed.start('pair'),
    bed.start('shards'),
  ]);
});
afterAll(() => bed?.stop());

test('nodes report their version and members', async () => {
  expect(namesOf(single)).toEqual(['cache']);
  expect(namesOf(pair)).toEqual(['pair.1', 'pair.2']);
  expect(namesOf(cluster)).toEqual([1, 2, 3, 4, 5, 6].map((index) => `shards.${index}`));
  for (const node of [single, pair, cluster]) {
    expect(node.version).toMatch(/^(Redis|Valkey) \d/);
    expect(node.address.namespace).toMatch(/^ps:node-.*:$/);
    expect(node.address.urls).toEqual(node.members.map(({ url }) => url));
    expect(node.address.url).toBe(node.address.urls[0]);
    expect(node.pids!()).toHaveLength(node.members.length);
    for (const member of node.members) expect(await member.probe()).toBe(true);
  }
  expect(single.capabilities).toEqual({});
  expect(cluster.region).toBe('eu');
});

test('settings reach the server, also values of several words', async () => {
  const read = (name: string) =>
    withRedis(single.address.url, LIMIT_MS, (redis) => redis.config('GET', name));
  expect(await read('maxmemory-policy')).toContain('allkeys-lru');
  expect(await read('save')).toContain('3600 1 300 100');
});

test('a single server restarts empty on its port', async () => {
  const [member] = single.members;
  await set(member!.url, 'key');
  const pid = member!.pid();
  expect(await member!.signal('SIGKILL')).toBe(`SIGKILL to cache, process ${pid}`);
  expect(await member!.probe()).toBe('cache is not running');
  expect(await commands(single)).toBeNull();
  await member!.restart();
  expect(await get(member!.url, 'key')).toBeNull();
});

test('commands are counted over all servers of a node', async () => {
  const before = await commands(pair);
  for (let i = 0; i < 20; i += 1) await get(pair.members[i % 2]!.url, 'key');
  const difference = (await commands(pair))! - before!;
  expect(difference).toBeGreaterThanOrEqual(20);
  expect(difference).toBeLessThan(40);
});

test('a pair: the replica takes over, the killed primary rejoins as its replica', async () => {
  const failover = pair.capabilities.failover!;
  const [first, second] = pair.members;
  await set(first!.url, 'kept');
  await eventually('it is replicated', async () => (await get(second!.url, 'kept')) === '1');
  expect(await failover.apply()).toMatch(/^SIGKILL to pair\.1, process \d+; pair\.2 promoted/);
  expect(retargeted).toEqual([['pair', second!.url]]);
  expect(pair.address.url).toBe(second!.url);
  expect(await failover.probe()).toBe('pair.1 is not running');
  await set(second!.url, 'new');
  await failover.undo();
  await failover.undo();
  expect(await failover.probe()).toBe(true);
  expect(await get(first!.url, 'kept')).toBe('1');
  await eventually('it is replicated back', async () => (await get(first!.url, 'new')) === '1');
  await expect(set(first!.url, 'other')).rejects.toThrow('READONLY');
  // Its part outlives a plain restart.
  await first!.restart();
  await eventually('it follows again', async () => (await first!.probe()) === true);
  await second!.restart();
  await eventually('the primary is back', async () => (await failover.probe()) === true);
});

test('a cluster: serves all slots; a replica takes over and the killed master rejoins', async () => {
  const failover = cluster.capabilities.failover!;
  const roots = cluster.address.urls.map((url) => ({
    host: '127.0.0.1',
    port: Number(new URL(url).port),
  }));
  const client = new Redis.Cluster(roots, {
    redisOptions: {
      commandTimeout: LIMIT_MS,
      password: new URL(cluster.address.url).password,
    },
  });
  client.on('error', () => {}); // A node that is down; what matters is what the commands answer.
  try {
    const keys = Array.from({ length: 50 }, (_, index) => `key:${index}`);
    for (const key of keys) expect(await client.set(key, key)).toBe('OK');
    expect(client.nodes('master')).toHaveLength(3);

    const done = await failover.apply();
    expect(done).toMatch(/^SIGKILL to shards\.1, process \d+; shards\.4 took over its slots after/);
    expect(await failover.probe()).not.toBe(true);
    expect(await cluster.members[0]!.probe()).toBe('shards.1 is not running');
    for (const key of keys) expect(await client.get(key)).toBe(key);

    await failover.undo();
    await failover.undo();
    expect(await failover.probe()).toBe(true);
    const role = await withRedis(cluster.members[0]!.url, LIMIT_MS, (redis) => redis.role());
    expect(role[0]).toBe('slave');
    expect(retargeted).toHaveLength(1);
  } finally {
    client.disconnect();
  }
});

test('a master of the cluster that restarts before a takeover rejoins as master', async () => {
  const [, master] = cluster.members;
  await master!.signal('SIGKILL');
  await master!.restart();
  await eventually('the cluster is whole', async () => {
    return (await cluster.capabilities.failover!.probe()) === true;
  });
  expect(await master!.probe()).toBe(true);
});

test('REDIS_URL replaces a replaceable node: own keys, no process', async () => {
  const url = single.address.url;
  const other = await openNodeBed(
    { store: { kind: 'redis', settings: { maxmemory: '1gb' }, replaceable: true } },
    { env: { ...process.env, REDIS_URL: url } },
  );
  const node = await other.start('store');
  expect([node.members, node.pids, node.capabilities]).toEqual([[], null, {}]);
  expect(other.notes).toEqual(['REDIS_URL keeps its own settings of maxmemory']);
  expect(node.address.url).toBe(url);
  expect(await commands(node)).toBeGreaterThan(0);
  await set(url, `${node.address.namespace}mine`);
  await set(url, 'foreign');
  await other.stop();
  expect(await get(url, `${node.address.namespace}mine`)).toBeNull();
  expect(await get(url, 'foreign')).toBe('1');
});

test('one server of several that cannot start stops all of them', async () => {
  await using other = await openNodeBed({
    shards: { kind: 'redis', mode: 'cluster', settings: { 'maxmemory-policy': 'none-such' } },
  });
  const { folder } = other.context.lease;
  await expect(other.start('shards')).rejects.toThrow('Redis did not start');
  expect(processesIn(folder)).toEqual([]);
});

// Last: it stops the bed.
test('a stop leaves no process, port or folder, also after a failover', async () => {
  await cluster.capabilities.failover!.apply();
  const urls = [single, pair, cluster].flatMap(({ address }) => address.urls);
  const ports = urls.map((url) => Number(new URL(url).port));
  const busPorts = cluster.address.urls.map((url) => Number(new URL(url).port) + 10_000);
  const { folder } = bed.context.lease;
  await bed.stop();
  expect(existsSync(folder)).toBe(false);
  expect(processesIn(folder)).toEqual([]);
  const open = await Promise.all([...ports, ...busPorts].map((port) => isPortOpen(port)));
  expect(open.filter(Boolean)).toEqual([]);
});
