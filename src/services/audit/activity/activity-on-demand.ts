/**
 * Recent activity of turn 4's after: on request, one page at a time, over the index (user_id, occurred_at DESC,
 * id DESC) of the live months. The first page is cached in Redis and never used when older than `cacheTtlMs`: its age
 * counts from before its query, and the reader checks it, so neither a slow query nor a slow Redis adds to it.
 * Concurrent misses of one page share one query. A cache error is a miss: PostgreSQL is the source of truth.
 */
import type { Redis } from 'ioredis';
import type { ActivityDesign } from '../../design.ts';
import type { Clock, Database } from '../../ports.ts';
import type { Activity, ActivityItem, ActivityPage, AuditObserver } from '../contract.ts';
import { requirePosition } from '../cursor.ts';
import { pageOf } from '../policy.ts';

type OnDemandDesign = Extract<ActivityDesign, { kind: 'on-demand' }>;

interface CachedPage {
  /** Before the query was sent: everything committed until then is in the page. */
  readonly loadedAtUs: number;
  readonly page: ActivityPage;
}

const columns = `id, user_id AS "userId", action, resource_type AS "resourceType", resource_id AS "resourceId", outcome,
  to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "occurredAt", request_id AS "requestId"`;
const NEWEST_FIRST = 'ORDER BY occurred_at DESC, id DESC';

export function createOnDemandActivity(given: {
  db: Database;
  clock: Clock;
  redis: Redis;
  keyPrefix: string;
  design: OnDemandDesign;
  observer: AuditObserver;
}): Activity {
  const { db, redis, design, observer } = given;
  const loads = new Map<string, { loadedAtUs: number; page: Promise<ActivityPage> }>();

  const isFresh = ({ loadedAtUs }: { loadedAtUs: number }) =>
    given.clock.nowUs() - loadedAtUs < design.cacheTtlMs * 1_000;

  const loadAndCache = async (key: string, userId: string, loadedAtUs: number, limit: number) => {
    const page = await readFirstPage(db, userId, limit);
    const entry: CachedPage = { loadedAtUs, page };
    // If the write fails, the next reader queries PostgreSQL.
    await redis.set(key, JSON.stringify(entry), 'PX', design.cacheTtlMs).catch(() => null);
    return page;
  };

  const fromCache = async (key: string): Promise<ActivityPage | null> => {
    const text = await redis.get(key).catch(() => null);
    const entry = text === null ? null : (JSON.parse(text) as CachedPage);
    const page = entry !== null && isFresh(entry) ? entry.page : null;
    observer.onCacheRead(page !== null);
    return page;
  };

  const cachedFirstPage = async (userId: string, limit: number): Promise<ActivityPage> => {
    const key = `${given.keyPrefix}activity:${userId}:${limit}`;
    // Checked before the cache: a request during a running query waits for that query.
    const running = loads.get(key);
    if (running !== undefined && isFresh(running)) return running.page;
    const cached = await fromCache(key);
    if (cached !== null) return cached;

    const started = loads.get(key);
    if (started !== undefined && isFresh(started)) return started.page;
    const loadedAtUs = given.clock.nowUs();
    const load = { loadedAtUs, page: loadAndCache(key, userId, loadedAtUs, limit) };
    if (loads.size >= design.maxSharedLoads) return load.page;
    loads.set(key, load);
    return load.page.finally(() => {
      if (loads.get(key) === load) loads.delete(key);
    });
  };

  return {
    recent(userId, { cursor, limit }) {
      if (cursor !== null) return readLaterPage(db, { userId, cursor, limit });
      return design.cacheTtlMs > 0
        ? cachedFirstPage(userId, limit)
        : readFirstPage(db, userId, limit);
    },
  };
}

async function readFirstPage(db: Database, userId: string, limit: number): Promise<ActivityPage> {
  const items = await db.query<ActivityItem>({
    name: 'activity-first',
    text: `SELECT ${columns} FROM audit_logs WHERE user_id = $1 ${NEWEST_FIRST} LIMIT $2`,
    values: [userId, limit + 1],
  });
  return pageOf(items, limit);
}

async function readLaterPage(
  db: Database,
  { userId, cursor, limit }: { userId: string; cursor: string; limit: number },
): Promise<ActivityPage> {
  const { occurredAt, id } = requirePosition(cursor);
  // The first comparison lets the planner skip whole months; the second is the exact position.
  const items = await db.query<ActivityItem>({
    name: 'activity-later',
    text: `SELECT ${columns} FROM audit_logs WHERE user_id = $1 AND occurred_at <= $2 AND (occurred_at, id) < ($2, $3)
           ${NEWEST_FIRST} LIMIT $4`,
    values: [userId, occurredAt, id, limit + 1],
  });
  return pageOf(items, limit);
}
