/**
 * Every connection of a gateway process to PostgreSQL and Redis: a pool or a connection for each kind of work that must
 * not wait behind another kind.
 */
import type { DatabaseDesign, Design } from '../design.ts';
import { openDatabase } from './clients.ts';
import { openLimitRedis, openRedis, openSessionRedis } from './redis-clients.ts';

/** Short timeouts, because its statements are retried at once; apart, so that they never wait behind a request's. */
const fenceDatabaseDesign: DatabaseDesign = {
  // One connection for each loop, so that no loop waits for another.
  poolMax: 5,
  connectionTimeoutMs: 1_000,
  statementTimeoutMs: 1_000,
};

const auditDatabaseDesign = ({ audit }: Design): DatabaseDesign => ({
  // One connection for each flush, and one for other statements of the audit log.
  poolMax: audit.writer.kind === 'group-commit' ? audit.writer.maxInFlight + 1 : 2,
  connectionTimeoutMs: 2_000,
  statementTimeoutMs: 5_000,
});

export function openStores(given: {
  name: string;
  databaseUrl: string;
  /** As the role of the sequencer; default: `databaseUrl`. */
  sequencerUrl?: string;
  redisUrl: string;
  design: Design;
  observeWaitSeconds: (seconds: number) => void;
  onConnectionLost?: (store: 'postgres' | 'redis') => void;
  report: (where: string, error: Error) => void;
}) {
  const { databaseUrl, redisUrl, design, report } = given;
  const store = design.sessions.store;
  const common = {
    databaseUrl,
    onConnectionError(error: Error) {
      given.onConnectionLost?.('postgres');
      report('postgres', error);
    },
  };
  const db = openDatabase({
    ...common,
    design: design.database,
    applicationName: given.name,
    observeWaitSeconds: given.observeWaitSeconds,
  });
  const fenceDb = openDatabase({
    ...common,
    design: fenceDatabaseDesign,
    applicationName: `${given.name}.fence`,
  });
  const auditDb =
    design.audit.writer.kind === 'off'
      ? db
      : openDatabase({
          ...common,
          design: auditDatabaseDesign(design),
          applicationName: `${given.name}.audit`,
        });
  const onRedisError = (error: Error) => report('redis', error);
  const redis = openRedis(redisUrl, onRedisError);
  const sessionRedis =
    store.kind === 'read-through' ? openSessionRedis(redisUrl, store, onRedisError) : redis;
  // A connection of its own, so that a long limiter script does not delay session checks.
  const limitRedis =
    design.rateLimit.kind === 'exact'
      ? openLimitRedis(redisUrl, design.rateLimit.degraded, onRedisError)
      : redis;
  for (const connection of new Set([redis, sessionRedis, limitRedis]))
    connection.on('close', () => given.onConnectionLost?.('redis'));
  return {
    pools: () => ({
      requests: db.counts(),
      fence: fenceDb.counts(),
      ...(auditDb === db ? {} : { audit: auditDb.counts() }),
    }),
    db,
    fenceDb,
    auditDb,
    sequencerUrl: given.sequencerUrl ?? databaseUrl,
    redis,
    sessionRedis,
    limitRedis,
    async close() {
      redis.disconnect();
      sessionRedis.disconnect();
      limitRedis.disconnect();
      await Promise.allSettled([...new Set([db, fenceDb, auditDb])].map((pool) => pool.close()));
    },
  };
}
