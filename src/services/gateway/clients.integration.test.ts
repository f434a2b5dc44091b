// What a gateway's pool does while PostgreSQL refuses connections, on sockets: how often it asks, and that it comes back.
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { sharedStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { DatabaseDesign } from '../design.ts';
import { findDesign } from '../lineage.ts';
import { openDatabase } from './clients.ts';

const { postgres } = sharedStores('clients');
const { database: design } = findDesign('turn4.after');

/** 57P03, as a server answers that is starting: an ErrorResponse of PostgreSQL's protocol. */
function startingUp(): Buffer {
  const fields = 'SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0';
  const message = Buffer.alloc(5 + fields.length);
  message.write('E');
  message.writeInt32BE(4 + fields.length, 1);
  message.write(fields, 5);
  return message;
}

/** PostgreSQL behind a port that can refuse as a starting server does; connections that stand are left alone. */
async function refusing() {
  const target = new URL(postgres.url);
  const state = { isUp: false, attempts: 0 };
  const server = net.createServer((socket) => {
    state.attempts += 1;
    socket.on('error', () => {});
    if (!state.isUp) {
      socket.once('data', () => socket.end(startingUp()));
      return;
    }
    const upstream = net.connect(Number(target.port), target.hostname);
    upstream.on('error', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = new URL(target);
  address.port = String((server.address() as net.AddressInfo).port);
  return { state, address: address.toString() };
}

function open(databaseUrl: string, limits: Partial<DatabaseDesign> = {}) {
  const db = openDatabase({
    databaseUrl,
    design: { ...design, ...limits },
    applicationName: 'clients',
    onConnectionError: () => {},
  });
  onTestFinished(() => db.close());
  return { ask: () => db.query({ text: 'SELECT 1 AS one' }), db };
}

const sleepSql = (seconds: number) => ({ text: `SELECT pg_sleep(${seconds})` });
const one = [{ one: 1 }];

it('opens few connections to a PostgreSQL that is starting, and uses it once it has started', async () => {
  const { state, address } = await refusing();
  const { ask } = open(address);
  await expect(ask()).rejects.toMatchObject({ code: 'database-unavailable' });
  const refused: Promise<unknown>[] = [];
  const REQUESTS = 200;
  for (let request = 0; request < REQUESTS; request += 1) {
    refused.push(ask().catch((error: { code: string }) => error.code));
    await delay(1);
  }
  expect(new Set(await Promise.all(refused))).toEqual(new Set(['database-unavailable']));
  expect(state.attempts).toBeGreaterThan(2);
  expect(state.attempts).toBeLessThan(REQUESTS / 4);
  state.isUp = true;
  expect(await ask()).toEqual(one);
});

it('uses an idle connection, even if another was refused just before', async () => {
  const { state, address } = await refusing();
  state.isUp = true;
  const { ask, db } = open(address);
  const busy = db.query(sleepSql(0.3));
  await expect.poll(() => state.attempts, { interval: 5 }).toBe(1);
  await delay(50);
  state.isUp = false;
  let isBusy = true;
  void busy.then(() => {
    isBusy = false;
  });
  const refused: unknown[] = [];
  while (isBusy) {
    const answer = await ask().catch((error: { code: string }) => error.code);
    if (isBusy) refused.push(answer);
    await delay(1);
  }
  expect(new Set(refused)).toEqual(new Set(['database-unavailable']));
  expect(await ask()).toEqual(one);
});

it('does not gather requests while a connection is idle, as on a server that has no connection left', async () => {
  const { state, address } = await refusing();
  state.isUp = true;
  const { ask, db } = open(address);
  await ask();
  state.isUp = false;
  const ROUNDS = 20;
  let waitedMs = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const busy = db.query(sleepSql(0.15));
    await expect(ask()).rejects.toMatchObject({ code: 'database-unavailable' });
    await busy;
    const sinceMs = performance.now();
    expect(await ask()).toEqual(one);
    waitedMs += performance.now() - sinceMs;
  }
  // A pause each would be 1 s.
  expect(waitedMs).toBeLessThan(500);
});

it('waits for a connection of a pool that is in use, each request for its own, although a wait before took too long', async () => {
  const { ask, db } = open(postgres.url, { poolMax: 1, connectionTimeoutMs: 1_000 });
  const busy = db.query(sleepSql(1.75));
  await expect(ask()).rejects.toMatchObject({ code: 'database-busy' });
  const asked = [ask(), ask(), ask()];
  await expect.poll(() => db.counts().waiting, { interval: 10, timeout: 500 }).toBe(asked.length);
  expect(await Promise.all(asked)).toEqual(asked.map(() => one));
  await busy;
});
