/** Recent activity under concurrency, on real stores: concurrent misses share one statement, and no user gets another's page. */
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { openDatabase, type PooledDatabase } from '../../gateway/clients.ts';
import { prepareSchema, schemaUrl, smallSize } from '../../gateway/fixtures/platform.ts';
import { systemClock } from '../../gateway/system.ts';
import { findDesign } from '../../lineage.ts';
import type { Database } from '../../ports.ts';
import { createOnDemandActivity } from './activity-on-demand.ts';

const design = findDesign('turn4.after');
const users = smallSize.users;
const { postgres, redis: redisServer } = sharedStores('activity');
let connection: PooledDatabase;
let redis: Redis;
let prefix = 0;

beforeAll(async () => {
  const schema = 'activity';
  await prepareSchema(postgres.url, { schema, design, size: smallSize });
  connection = openDatabase({
    databaseUrl: schemaUrl(postgres.url, schema),
    design: design.database,
    applicationName: 'activity',
    onConnectionError: () => {}, // The statement that meets it says so.
  });
  redis = new Redis(redisServer.url, { enableAutoPipelining: true });
});
afterAll(async () => {
  redis?.disconnect();
  await connection?.close();
});

/** A process with an empty cache, and counters of its queries and cache reads. */
function newProcess(keyPrefix = `crowd-${prefix++}:`) {
  const seen = { queries: 0, hits: 0, misses: 0 };
  const db: Database = {
    query(statement) {
      seen.queries += 1;
      return connection.query(statement);
    },
  };
  const activity = createOnDemandActivity({
    db,
    redis,
    keyPrefix,
    clock: systemClock,
    design: { kind: 'on-demand', cacheTtlMs: 60_000, maxSharedLoads: 10_000 },
    observer: {
      onFlush: () => {},
      onSequenced: () => {},
      onSpill: () => {},
      onCacheRead: (hit) => {
        seen[hit ? 'hits' : 'misses'] += 1;
      },
    },
  });
  const read = (userId: string, limit = 20) => activity.recent(userId, { cursor: null, limit });
  return { read, seen, keyPrefix };
}

describe('a stampede', () => {
  it('of 1,000 misses of one page is one statement, and one answer for all', async () => {
    const { read, seen } = newProcess();
    const pages = await Promise.all(Array.from({ length: 1_000 }, () => read('1')));
    expect(seen.queries).toBe(1);
    expect(new Set(pages.map((page) => JSON.stringify(page))).size).toBe(1);
    expect(pages[0]!.items).toHaveLength(20);
  });

  it('of 1,000 misses of many pages is one statement for each', async () => {
    const { read, seen } = newProcess();
    const userIds = Array.from({ length: 1_000 }, (_, n) => String(1 + (n % users)));
    const pages = await Promise.all(userIds.map((userId) => read(userId)));
    expect(seen.queries).toBe(users);
    pages.forEach((page, n) => {
      for (const { userId } of page.items) expect(userId).toBe(userIds[n]);
    });
  });

  it('that fails rejects every request, and the next one queries again', async () => {
    const { read, seen } = newProcess();
    // A number PostgreSQL refuses.
    const settled = await Promise.allSettled(Array.from({ length: 100 }, () => read('1', -2)));
    expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
    expect(seen.queries).toBe(1);
    await expect(read('1', -2)).rejects.toThrow();
    expect(seen.queries).toBe(2);
  });
});

describe('the cache', () => {
  it('never returns the page of another user, in any interleaving over several processes', async () => {
    const reader = fc.record({
      userId: fc.constantFrom('1', '2', '3', '39', '40', '41'),
      limit: fc.constantFrom(2, 20),
      process: fc.nat(2),
      joins: fc.boolean(),
    });
    let hits = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(reader, { minLength: 2, maxLength: 80 }), async (readers) => {
        const first = newProcess();
        const processes = [first, newProcess(first.keyPrefix), newProcess(first.keyPrefix)];
        let together: Promise<void>[] = [];
        for (const { userId, limit, process, joins } of readers) {
          if (!joins) await Promise.all(together.splice(0));
          together.push(
            processes[process]!.read(userId, limit).then(({ items }) => {
              for (const item of items) expect(item.userId).toBe(userId);
              expect(items.length).toBeLessThanOrEqual(limit);
            }),
          );
        }
        await Promise.all(together);
        together = [];
        hits += processes.reduce((sum, { seen }) => sum + seen.hits, 0);
      }),
      { numRuns: 200 },
    );
    expect(hits).toBeGreaterThan(100);
  });
});
