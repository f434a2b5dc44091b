/**
 * Opens the stores as a run does: the operator's servers with the run's own questions, or a PostgreSQL and a Redis that
 * are started as a run starts them, under the same account, and stopped again. So that "ready" means ready.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { createTraversableFolder } from '../../sim/effects/process/cache.ts';
import { createLease, type Lease } from '../../sim/effects/process/lease.ts';
import { runUser } from '../../sim/effects/process/run-user.ts';
import { redactAddress } from '../../sim/effects/testbed/addresses/address-text.ts';
import { newPassword } from '../../sim/effects/testbed/stores/credentials.ts';
import {
  createDataDirectory,
  readPassword,
} from '../../sim/effects/testbed/stores/data-directory.ts';
import { inspectPostgres } from '../../sim/effects/testbed/stores/external/inspect-postgres.ts';
import { inspectRedis } from '../../sim/effects/testbed/stores/external/inspect-redis.ts';
import { preparePostgres } from '../../sim/effects/testbed/stores/postgres-binaries.ts';
import { startPostgres } from '../../sim/effects/testbed/stores/postgres-process.ts';
import { findRedis, startRedis } from '../../sim/effects/testbed/stores/redis-process.ts';
import { type Check, ok, tryCheck } from './doctor-check.ts';

type Env = NodeJS.ProcessEnv;

export async function checkStores(cache: string, env: Env): Promise<Check[]> {
  const lease = createLease({ runId: `doctor-${randomBytes(4).toString('hex')}`, cache });
  try {
    // The servers' account enters it.
    await createTraversableFolder(lease.folder);
    const postgres = await tryCheck('postgres', () => checkPostgres(lease, env));
    return [postgres, await tryCheck('redis', () => checkRedis(lease, env))];
  } finally {
    await lease.release();
  }
}

async function checkPostgres(lease: Lease, env: Env): Promise<Check> {
  const address = env.DATABASE_URL;
  if (address) {
    const { version } = await inspectPostgres(address);
    return ok('postgres', `${version} at DATABASE_URL ${redactAddress(address)}`);
  }
  const binaries = await preparePostgres(lease.cache);
  const own = { binaries, user: runUser(), dataDir: path.join(lease.folder, 'data') };
  await createDataDirectory(own);
  const logFile = path.join(lease.folder, 'postgres.log');
  const password = await readPassword(own.dataDir);
  const server = await startPostgres({
    ...own,
    settings: {},
    cores: null,
    lease,
    logFile,
    password,
  });
  await server.stop();
  return ok('postgres', `${binaries.version}, created, started and stopped in the cache`);
}

async function checkRedis(lease: Lease, env: Env): Promise<Check> {
  const address = env.REDIS_URL;
  if (address) {
    const { version } = await inspectRedis(address);
    return ok('redis', `${version.replace(/^redis /, '')} at REDIS_URL ${redactAddress(address)}`);
  }
  const logFile = path.join(lease.folder, 'redis.log');
  const server = await startRedis({
    lease,
    env,
    cores: null,
    user: runUser(),
    logFile,
    password: newPassword(),
  });
  await server.stop();
  return ok('redis', `${server.version.replace(/^redis /, '')}, ${findRedis(env)}`);
}
