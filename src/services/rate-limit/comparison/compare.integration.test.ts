/** Every limiter on a real Redis: the exact one is exact, the others are what the books say of them. */
import { Redis } from 'ioredis';
import { afterAll, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { compareLimiters } from './compare.ts';
import { seededRandom } from './seeded-random.ts';

const { redis: server } = sharedStores('compare');
const connections: Redis[] = [];

afterAll(async () => {
  for (const connection of connections) connection.disconnect();
});

it('compares six limiters on one trace', { timeout: 60_000 }, async () => {
  const comparison = await compareLimiters({
    connect() {
      const redis = new Redis(server.url);
      connections.push(redis);
      return redis;
    },
    keyPrefix: 'c:',
    limit: 50,
    windowMs: 1_000,
    windows: 4,
    random: seededRandom(3),
    users: 200,
    rounds: 1,
    decisions: 300,
  });
  const values = (name: string) => comparison.rows.find((row) => row.name === name)!.values;
  expect(comparison.rows).toHaveLength(6);
  expect(comparison.rows.filter(({ ours }) => ours)).toHaveLength(1);
  expect(values('ours (exact log)')).toMatchObject({ worst: 1, false: 0 });
  for (const name of ['fixed window', 'token bucket', 'GCRA', 'rate-limiter-flexible'])
    expect({ name, worst: values(name).worst! > 1.5 }).toEqual({ name, worst: true });
  expect(values('sliding counter').worst).toBeGreaterThan(1.2);
  expect(values('sliding counter').false).toBeGreaterThan(0);
  for (const { name, values: of } of comparison.rows) {
    expect({ name, commands: of.commands! >= 2 && of.commands! < 12 }).toMatchObject({
      commands: true,
    });
    expect({ name, cpu: of.cpu! > 0, bytes: of.bytes! > 40 }).toEqual({
      name,
      cpu: true,
      bytes: true,
    });
  }
  // Seven bytes for each of fifty units, and an entry.
  expect(values('ours (exact log)').bytes).toBeLessThan(1_500);
});
