/**
 * What a round cost: CPU of each process from the kernel, commands and reads of sockets from Redis, statements from
 * pg_stat_statements, bytes from the end of the WAL. Counters that only grow, read before and after.
 */
import pg from 'pg';
import { createClient } from 'redis';
import { cpuUsedUs, readCpu } from '../dist/sim/effects/observe/cpu-meter.js';

/**
 * @typedef {{ cpu: Record<string, import('../dist/sim/effects/observe/cpu-meter.js').CpuReading>, commands: number, reads: number, statements: number, walBytes: number }} Counters
 */

/**
 * @param {{ databaseUrl: string, redisUrl: string, pidsOf: (stack: any) => Record<string, () => number[]> }} given
 */
export async function openCounters({ databaseUrl, redisUrl, pidsOf }) {
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  const redis = createClient({ url: redisUrl });
  await redis.connect();
  await db.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public');

  /**
   * @param {string} stack whose server it is about
   * @returns {Promise<Counters>}
   */
  const read = async (stack) => {
    const info = await redis.info('stats');
    const field = (/** @type {string} */ name) =>
      Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
    const { rows } = await db.query(
      `SELECT (SELECT sum(calls) FROM public.pg_stat_statements(false)) AS statements,
              pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal`,
    );
    const cpu = Object.fromEntries(
      Object.entries(pidsOf(stack)).map(([name, of]) => [name, readCpu(of())]),
    );
    return {
      cpu,
      commands: field('total_commands_processed'),
      reads: field('total_reads_processed'),
      statements: Number(rows[0].statements),
      walBytes: Number(rows[0].wal),
    };
  };
  return {
    read,
    async close() {
      await db.end();
      redis.destroy();
    },
  };
}

/**
 * For each of so many requests.
 * @param {Counters} before
 * @param {Counters} after
 * @param {number} requests
 */
export function costOf(before, after, requests) {
  const each = (/** @type {'commands' | 'reads' | 'statements' | 'walBytes'} */ key) =>
    (after[key] - before[key]) / requests;
  return {
    cpuUs: Object.fromEntries(
      Object.keys(after.cpu).map((name) => [
        name,
        cpuUsedUs(before.cpu[name], after.cpu[name]) / requests,
      ]),
    ),
    redisCommands: each('commands'),
    redisReads: each('reads'),
    statements: each('statements'),
    walBytes: each('walBytes'),
  };
}
