import { mkdirSync, mkdtempSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EnvironmentError } from '../../../errors.ts';
import { openCache } from '../../process/cache.ts';
import { freePort } from '../../process/free-port.ts';
import { createLease, type Lease } from '../../process/lease.ts';
import { runUser } from '../../process/run-user.ts';
import { requireFreeSpace } from '../disk-space.ts';
import { makeScratch, type Scratch } from '../fixtures/bed.ts';
import { newPassword } from './credentials.ts';
import { createDataDirectory, readPassword } from './data-directory.ts';
import { type PostgresBinaries, packagedPostgres, preparePostgres } from './postgres-binaries.ts';
import { startPostgres } from './postgres-process.ts';
import { startRedis } from './redis-process.ts';

let scratch: Scratch;
let lease: Lease;
let binaries: PostgresBinaries;
let dataDir: string;
let blocker: net.Server;
let takenPort: number;
const user = runUser();
const logFile = (name: string) => path.join(scratch.logFolder, name);

/** Returns first a port that another process listens on, then free ones. */
function takenThenFreePort(): () => Promise<number> {
  let calls = 0;
  return async () => (calls++ === 0 ? takenPort : await freePort());
}

beforeAll(async () => {
  scratch = await makeScratch();
  mkdirSync(scratch.logFolder);
  const cache = await openCache(user, scratch.env);
  lease = createLease({ runId: 'servers', cache, reaper: false });
  binaries = await preparePostgres(cache);
  dataDir = path.join(lease.folder, 'data');
  await createDataDirectory({ binaries, user, dataDir });
  blocker = net.createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
  takenPort = (blocker.address() as net.AddressInfo).port;
});
afterAll(async () => {
  blocker?.close();
  await lease?.release();
  await scratch.remove();
});

const postgres = async (more: {
  findPort?: () => Promise<number>;
  settings?: Record<string, string>;
}) =>
  startPostgres({
    binaries,
    dataDir,
    password: await readPassword(dataDir),
    settings: {},
    cores: null,
    user,
    lease,
    logFile: logFile('postgres.log'),
    ...more,
  });

test('PostgreSQL retries on another port when its port is taken', async () => {
  const server = await postgres({ findPort: takenThenFreePort() });
  expect(server.port).not.toBe(takenPort);
  await server.stop();
});

test('PostgreSQL fails when every port is taken', async () => {
  const error = await postgres({ findPort: async () => takenPort }).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(EnvironmentError);
  expect(error.toLines()).toMatch(/in use|could not/i);
});

test('a setting that PostgreSQL rejects is quoted in the error', async () => {
  const error = await postgres({ settings: { shared_buffers: 'a lot' } }).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(EnvironmentError);
  expect(error.why).toContain('shared_buffers');
  expect(error.toLines().split('\n')).toHaveLength(3);
});

test('Redis retries on another port when its port is taken', async () => {
  const server = await startRedis({
    lease,
    cores: null,
    user,
    password: newPassword(),
    logFile: logFile('redis.log'),
    findPort: takenThenFreePort(),
  });
  expect(server.port).not.toBe(takenPort);
  await server.stop();
});

test('rejects another Redis that answers on its port', async () => {
  const options = { lease, cores: null, user, password: newPassword() };
  const first = await startRedis({ ...options, logFile: logFile('redis-1.log') });
  let calls = 0;
  const second = await startRedis({
    ...options,
    logFile: logFile('redis-2.log'),
    findPort: async () => (calls++ === 0 ? first.port : await freePort()),
  });
  expect(second.port).not.toBe(first.port);
  await Promise.all([first.stop(), second.stop()]);
});

test('an unsupported machine is reported with a next step', async () => {
  const error = await packagedPostgres('sunos-sparc').catch((thrown) => thrown);
  expect(error).toBeInstanceOf(EnvironmentError);
  expect(error.toLines()).toContain('no PostgreSQL for sunos-sparc');
  expect(error.next).toContain('DATABASE_URL');
});

test('a full disk is reported before the copy, in megabytes', async () => {
  const copy = requireFreeSpace(scratch.root, 2 ** 60, 'for a copy of the data');
  const error = await copy.catch((thrown) => thrown);
  expect(error).toBeInstanceOf(EnvironmentError);
  expect(error.toLines()).toMatch(
    /disk space for a copy of the data\n.* \d+ MB free, \d+ MB are needed/,
  );
});

test.runIf(user !== null)('a cache that PostgreSQL cannot reach is rejected', async () => {
  const closed = mkdtempSync(path.join(scratch.root, 'closed-'));
  const open = openCache(user, { PLATFORM_CACHE: path.join(closed, 'cache') });
  await expect(open).rejects.toThrow('closed to the account PostgreSQL runs as');
});
