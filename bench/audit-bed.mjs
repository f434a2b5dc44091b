/**
 * What the benches of the audit log stand on: a PostgreSQL of our own with durable commits, schemas with a seeded
 * history as the template makes them, and Redis where one is asked for. Everything is gone after `remove`.
 */
import path from 'node:path';
import { openConnection, openDatabase } from '../dist/services/gateway/clients.js';
import { openRedis } from '../dist/services/gateway/redis-clients.js';
import {
  chainHistory,
  createBase,
  migrate,
  vacuumAndAnalyze,
} from '../dist/services/jobs/database-template.js';
import { findDesign } from '../dist/services/lineage.js';
import { openCache } from '../dist/sim/effects/process/cache.js';
import { createLease } from '../dist/sim/effects/process/lease.js';
import { runUser } from '../dist/sim/effects/process/run-user.js';
import { newPassword } from '../dist/sim/effects/testbed/stores/credentials.js';
import {
  createDataDirectory,
  readPassword,
} from '../dist/sim/effects/testbed/stores/data-directory.js';
import { preparePostgres } from '../dist/sim/effects/testbed/stores/postgres-binaries.js';
import { startPostgres } from '../dist/sim/effects/testbed/stores/postgres-process.js';
import { startRedis } from '../dist/sim/effects/testbed/stores/redis-process.js';
import { withSearchPath } from '../dist/sim/effects/testbed/stores/search-path.js';

/**
 * @typedef {import('../dist/services/ports.js').Database} Database
 * @typedef {import('../dist/services/design.js').AuditStorageDesign} AuditStorageDesign
 * @typedef {Awaited<ReturnType<typeof makeAuditBed>>} AuditBed
 * @typedef {Database & { close(): Promise<void> }} Connection
 */

/** Turn 4's after: the newest design of the log, with both indexes. */
export const design = findDesign('turn4.after');

/** @type {import('../dist/services/ports.js').Clock} */
export const wallClock = { nowUs: () => Date.now() * 1_000 };

/**
 * @param {string} name
 * @param {Record<string, string>} [settings]
 */
export async function makeAuditBed(name, settings = {}) {
  const user = runUser();
  const cache = await openCache(user);
  const binaries = await preparePostgres(cache);
  const lease = createLease({ runId: `bench-${name}-${process.pid}`, cache });
  /** @type {(() => unknown)[]} */
  const endings = [() => lease.release()];
  const remove = async () => {
    for (const end of endings.splice(0).reverse()) await end();
  };
  const logFile = (/** @type {string} */ of) => path.join(lease.folder, `${of}.log`);
  try {
    const dataDir = path.join(lease.folder, 'data');
    await createDataDirectory({ binaries, user, dataDir });
    const own = { shared_buffers: '1GB', max_wal_size: '8GB', autovacuum: 'off', ...settings };
    const server = await startPostgres({
      ...{ binaries, dataDir, settings: own, cores: null, user, lease },
      password: await readPassword(dataDir),
      logFile: logFile('postgres'),
    });
    endings.push(() => server.stop());
    const admin = await openConnection(server.url);
    endings.push(() => admin.close());
    await admin.query({ text: 'CREATE EXTENSION pg_stat_statements SCHEMA public' });
    const urlOf = (/** @type {string} */ schema) => withSearchPath(server.url, schema);

    return {
      admin,
      urlOf,
      folder: lease.folder,
      serverPid: server.pid,

      /**
       * One connection that works in a schema.
       * @param {string} schema
       * @returns {Promise<Connection>}
       */
      async connect(schema) {
        const connection = await openConnection(urlOf(schema));
        endings.push(() => connection.close());
        return connection;
      },

      /**
       * A pool as a gateway has it.
       * @param {string} schema
       * @param {number} poolMax
       */
      pool(schema, poolMax) {
        const pool = openDatabase({
          databaseUrl: urlOf(schema),
          design: { poolMax, connectionTimeoutMs: 10_000, statementTimeoutMs: 30_000 },
          applicationName: 'bench',
          onConnectionError: (error) => console.error(error.message),
        });
        endings.push(() => pool.close());
        return pool;
      },

      /**
       * The schema of a design whose log is in months, with so many events of the last 360 days, in the chain or not.
       * @param {string} schema
       * @param {{ rows: number, users: number, storage: AuditStorageDesign, chained?: boolean }} given
       */
      async seed(schema, { rows, users, storage, chained = false }) {
        const connection = await openConnection(urlOf(schema));
        const anchorUs = wallClock.nowUs();
        const of = { ...design, audit: { ...design.audit, storage } };
        const heavy = { heavyUsers: Math.floor(users / 100), heavyRows: 1_000 };
        const size = { rows, users, ...(rows === 0 ? { heavyUsers: 0, heavyRows: 0 } : heavy) };
        try {
          await createBase(connection, { ...size, seed: 1, anchorUs, schema, design: of });
          if (chained) await chainHistory(connection, { design: of, anchorUs });
          await migrate(connection, { design: of, anchorUs });
          await vacuumAndAnalyze(connection);
        } finally {
          await connection.close();
        }
      },

      async redis() {
        const started = await startRedis({
          ...{ lease, cores: null, user, password: newPassword() },
          logFile: logFile('redis'),
        });
        endings.push(() => started.stop());
        const redis = openRedis(started.url, (error) => console.error(error.message));
        endings.push(() => redis.disconnect());
        return redis;
      },

      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** @param {readonly number[]} values */
export function median(values) {
  return percentile(values, 0.5);
}

/**
 * The smallest value that so large a part of them does not exceed.
 * @param {readonly number[]} values
 * @param {number} part
 */
export function percentile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

/** @param {number} value */
export const grouped = (value) => Math.round(value).toLocaleString('en-US');
