/**
 * What the hot path runs on: the testbed of our scenarios with one gateway, and beside the gateway, on the same cores,
 * the no-op, the Express stack and the load, each a process of its own. The stores, PostgreSQL and Redis, have the last
 * core. The Express stack has the same PostgreSQL and Redis, a database and keys of its own, and a session for each of
 * the same users.
 */
import { execFile } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { createClient } from 'redis';
import { platformTopology } from '../dist/scenarios/platform-topology.js';
import { startChild } from '../dist/sim/effects/process/child-process.js';
import { machinePinPlan } from '../dist/sim/effects/process/pin-machine.js';
import { pinProcess } from '../dist/sim/effects/process/pin-running.js';
import { commandOf } from '../dist/sim/effects/process/process-table.js';
import { startTestbed } from '../dist/sim/effects/testbed/testbed.js';
import { nextMessage } from './bed.mjs';

const DESIGN = 'turn5.after';
const USERS = 10_000;
/** The most that settings may say, in a window of the design's own length: the load is admitted. */
const LIMIT = 10_000;
const userAgent = 'Mozilla/5.0 (X11; Linux x86_64) Chrome/131';

/** Of every Node process here: with the default of 16 MB, half of what is in flight is copied by each collection. */
const NODE_OPTIONS = '--max-semi-space-size=32';

/** @typedef {import('../dist/sim/effects/process/child-process.js').Child} Child */

/** @param {string} logFolder */
export async function openHotPathBed(logFolder) {
  const cores = machinePinPlan();
  const env = { ...process.env, NODE_ENV: 'production', NODE_OPTIONS };
  process.env.NODE_OPTIONS = NODE_OPTIONS; // The gateway is started with our environment.
  const testbed = await startTestbed({
    ...{ runId: `bench-hot-path-${process.pid}`, logFolder, seed: 1, cores, onNote: () => {} },
    topology: platformTopology({
      design: DESIGN,
      // No checkpoint in the middle of a round.
      settings: {
        ...JSON.parse(process.env.HOT_PG ?? '{}'),
        shared_buffers: '256MB',
        max_wal_size: '8GB',
        checkpoint_timeout: '1h',
      },
      template: { design: DESIGN, users: USERS },
      accounts: {
        groups: [
          {
            ...{ name: 'users', kind: 'sessions', count: USERS },
            limits: { organisation: LIMIT, user: LIMIT, address: LIMIT },
          },
        ],
      },
      gateways: 1,
    }),
  });
  if (cores) for (const pid of testbed.pids.redis?.() ?? []) await pinProcess(pid, cores.postgres);
  // Its work is on what the stores have committed, while the gateway answers: it is theirs.
  /** @type {number[]} */
  let beside = [];
  for (let waited = 0; beside.length === 0; waited += 1) {
    if (waited === 100) throw new Error('the gateway has started no sequencer');
    await delay(100);
    beside = testbed.pids.gateway().filter((pid) => commandOf(pid) === 'audit-sequencer');
  }
  if (cores) for (const pid of beside) await pinProcess(pid, cores.postgres);
  /** @type {Child[]} */
  const children = [];
  const start = async (/** @type {string} */ name, /** @type {object} */ argument = {}) => {
    const child = await startChild({
      name,
      command: process.execPath,
      args: [new URL(`${name}.mjs`, import.meta.url).pathname, JSON.stringify(argument)],
      env,
      cwd: process.cwd(),
      logFile: testbed.logFile(name),
      ...{ user: null, cores: cores?.rest ?? null, ipc: true, lease: testbed.lease },
      stopSignals: ['SIGTERM'],
    });
    children.push(child);
    return { child, said: await nextMessage(child.process) };
  };
  const stop = async () => {
    for (const child of children.reverse()) await child.stop();
    await testbed.stop();
  };
  try {
    const secret = randomBytes(16).toString('hex');
    const database = await expressDatabase(testbed.node('postgres').address.url);
    const { url: redisUrl, namespace } = testbed.node('redis').address;
    const redisPrefix = `${namespace}express:`;
    const cookies = await expressSessions({ redisUrl, redisPrefix, secret });
    const noop = await start('hot-path-noop');
    const express = await start('hot-path-express', {
      ...{ databaseUrl: database, redisUrl, redisPrefix, secret },
      limit: LIMIT,
    });
    const load = await start('hot-path-load');
    const accounts = JSON.parse(await readFile(testbed.accountsFile, 'utf8'));
    const bearer = accounts.map((/** @type {any} */ { headers }) => ({
      ...{ authorization: headers.authorization, 'user-agent': userAgent },
    }));
    const pidOf =
      (/** @type {Child} */ { pid }) =>
      () => [pid];
    // None of them interrupts another because it was woken: on two cores that are shared, half of the work would be the
    // change from one to the other and back for each single answer.
    const all = [
      ...[...testbed.pids.gateway(), noop.child.pid, express.child.pid, load.child.pid],
      ...[...testbed.pids.postgres(), ...(testbed.pids.redis?.() ?? [])],
    ];
    for (const pid of all)
      await promisify(execFile)('chrt', ['--batch', '--all-tasks', '--pid', '0', `${pid}`]);
    return {
      testbed,
      stop,
      stacks: {
        noop: { url: noop.said.url, accounts: bearer, pids: pidOf(noop.child) },
        ours: {
          url: testbed.targets[0].url,
          accounts: bearer,
          pids: () => testbed.pids.gateway().filter((pid) => !beside.includes(pid)),
        },
        express: {
          url: express.said.url,
          accounts: cookies.map((cookie) => ({ cookie, 'user-agent': userAgent })),
          pids: pidOf(express.child),
        },
      },
      loadPids: pidOf(load.child),
      /** Of ours; the others have none. */
      besidePids: () => beside,
      /** @param {object} order */
      async load(order) {
        load.child.process.send(order);
        return nextMessage(load.child.process);
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** On the same server; the table and its indexes are those of a log of ours before it was chained. */
async function expressDatabase(/** @type {string} */ databaseUrl) {
  const url = new URL(databaseUrl);
  const admin = new pg.Client({ connectionString: url.toString() });
  await admin.connect();
  await admin.query('CREATE DATABASE bench_express');
  await admin.end();
  url.pathname = '/bench_express';
  url.search = '';
  const db = new pg.Client({ connectionString: url.toString() });
  await db.connect();
  await db.query(`
    CREATE TABLE audit_logs (
      id bigint GENERATED BY DEFAULT AS IDENTITY,
      event_id uuid NOT NULL, user_id bigint NOT NULL, occurred_at timestamptz NOT NULL,
      action text NOT NULL, resource_type text NOT NULL, resource_id text, outcome text NOT NULL,
      ip inet, request_id text NOT NULL, user_agent text,
      PRIMARY KEY (event_id, occurred_at));
    CREATE INDEX ON audit_logs (user_id, occurred_at DESC, id DESC)`);
  await db.end();
  return url.toString();
}

/** As express-session writes them at a login. @param {{ redisUrl: string, redisPrefix: string, secret: string }} given */
async function expressSessions({ redisUrl, redisPrefix, secret }) {
  const redis = createClient({ url: redisUrl });
  await redis.connect();
  const cookies = [];
  const cookie = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' };
  for (let user = 1; user <= USERS; user += 1) {
    const id = randomBytes(24).toString('base64url');
    const value = JSON.stringify({ cookie, userId: String(user) });
    await redis.set(`${redisPrefix}sess:${id}`, value, { EX: 86_400 });
    const signature = createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, '');
    cookies.push(`connect.sid=${encodeURIComponent(`s:${id}.${signature}`)}`);
  }
  redis.destroy();
  return cookies;
}
