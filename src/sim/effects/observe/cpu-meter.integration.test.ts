import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { childrenOf } from '../process/process-table.ts';
import { eventually } from '../testbed/fixtures/bed.ts';
import { ownPostgres } from '../testbed/fixtures/stores.ts';
import { type CpuReading, cpuUsedUs, readCpu } from './cpu-meter.ts';

const postgres = ownPostgres('cpu-meter', { autovacuum: 'off' });
const pids = () => [postgres.pid, ...childrenOf(postgres.pid)];
const total = (reading: CpuReading) =>
  [...reading.values()].reduce((sum, { ownUs }) => sum + ownUs, 0);

async function connect() {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  const pid = Number(rows[0].pid);
  return {
    pid,
    burn: async () => {
      await client.query('SET max_parallel_workers_per_gather = 0');
      await client.query('SELECT sum(sqrt(i)) FROM generate_series(1, 2000000) AS i');
      return readCpu([pid]).get(pid)!.ownUs;
    },
    async end() {
      await client.end();
      await eventually('the backend ends', async () => !childrenOf(postgres.pid).includes(pid));
    },
  };
}

describe('the CPU of PostgreSQL while its backends come and go', () => {
  it('is not negative when a backend with much CPU behind it ends', async () => {
    const old = await connect();
    const burntUs = await old.burn();
    const before = readCpu(pids());
    await old.end();
    const after = readCpu(pids());
    expect(total(after) - total(before)).toBeLessThan(0); // The sum that a bench printed.
    const usedUs = cpuUsedUs(before, after);
    expect(usedUs).toBeGreaterThanOrEqual(0);
    expect(usedUs).toBeLessThan(burntUs / 2);
  });

  it('has what a backend used that came and ended in between, and one that ended later', async () => {
    const old = await connect();
    await old.burn();
    const before = readCpu(pids());
    const soon = await connect();
    const soonUs = await soon.burn();
    await soon.end();
    const [fromUs, toUs] = [before.get(old.pid)!.ownUs, await old.burn()];
    await old.end();
    const usedUs = cpuUsedUs(before, readCpu(pids()));
    const expectedUs = soonUs + (toUs - fromUs);
    expect(usedUs).toBeGreaterThan(0.9 * expectedUs - 40_000);
    expect(usedUs).toBeLessThan(1.5 * expectedUs + 40_000);
  });

  it('takes a new process with the pid of one that ended for a new one', () => {
    const process = { parent: 1, startTime: '1', ownUs: 900, endedChildrenUs: 0 };
    const later = { ...process, startTime: '2', ownUs: 50 };
    expect(cpuUsedUs(new Map([[7, process]]), new Map([[7, later]]))).toBe(50);
  });
});
