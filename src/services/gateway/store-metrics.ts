/** Metrics of the connections to PostgreSQL and Redis: how many are open, how long a wait for one takes, how many broke. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { PoolCounts } from './clients.ts';

export interface StoreMetrics {
  observePoolWait(seconds: number): void;
  /** A connection ended that this process did not close. */
  countLostConnection(store: 'postgres' | 'redis'): void;
}

/** By the pool's name. */
export type ReadPools = () => Readonly<Record<string, PoolCounts>>;

export function createStoreMetrics(
  registers: Registry[],
  { pools, waitBuckets }: { readonly pools: ReadPools; readonly waitBuckets: number[] },
): StoreMetrics {
  const poolWait = new Histogram({
    name: 'pg_pool_wait_seconds',
    help: 'Wait for a connection of the pool',
    buckets: waitBuckets,
    registers,
  });
  const gauge = (name: string, help: string, of: (counts: PoolCounts) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['pool'] as const,
      registers,
      collect() {
        for (const [pool, counts] of Object.entries(pools())) this.set({ pool }, of(counts));
      },
    });
  gauge('pg_pool_waiting', 'Statements waiting for a connection', ({ waiting }) => waiting);
  gauge('pg_pool_connections', 'Open connections', ({ open }) => open);
  gauge('pg_pool_idle', 'Open connections that no statement uses', ({ idle }) => idle);
  gauge('pg_pool_size', 'Connections that may be open at one time', ({ max }) => max);
  const lost = new Counter({
    name: 'store_connections_lost_total',
    help: 'Connections to PostgreSQL and Redis that ended and were not closed by this process',
    labelNames: ['store'] as const,
    registers,
  });
  // A series that is absent until the first loss cannot be compared.
  for (const store of ['postgres', 'redis']) lost.inc({ store }, 0);
  return {
    observePoolWait: (seconds) => poolWait.observe(seconds),
    countLostConnection: (store) => lost.inc({ store }),
  };
}
