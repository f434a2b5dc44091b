// How soon a limiter reports again after PostgreSQL did not take its report.
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { ExactLimitsDesign } from '../design.ts';
import { findDesign } from '../lineage.ts';
import { openConnection } from './clients.ts';
import { startLimiter } from './fixtures/limiters.ts';
import { prepareSchema, schemaUrl, smallSize } from './fixtures/platform.ts';

const { postgres, redis } = ownStores('limit-reports');
const given = findDesign('turn2.after');
const exact = given.rateLimit as ExactLimitsDesign;
const refreshMs = 2_000;
const schema = 'reports';
let db: Awaited<ReturnType<typeof openConnection>>;

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design: given, size: smallSize });
  db = await openConnection(schemaUrl(postgres.url, schema));
});
afterAll(() => db?.close());

it('reports again long before the next report is due', async () => {
  const member = await startLimiter({
    name: 'gateway.1',
    databaseUrl: schemaUrl(postgres.url, schema),
    redisUrl: redis.url,
    keyPrefix: 'r:',
    design: { ...exact, degraded: { ...exact.degraded, refreshMs } },
  });
  onTestFinished(() => member.close());
  const confirmed = async () => {
    const [row] = await db.query<{ at: number }>({
      text: 'SELECT confirmed_ms AS at FROM limiter_members',
    });
    return row!.at;
  };
  member.cut.database(true);
  await expect.poll(() => member.reports, { timeout: 3 * refreshMs }).toContain('cut off');
  const last = await confirmed();
  member.cut.database(false);
  await expect.poll(confirmed, { timeout: 0.7 * refreshMs, interval: 50 }).toBeGreaterThan(last);
});
