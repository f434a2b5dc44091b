/**
 * Ten thousand small interleavings of logout, touch, renewal, password change, login and "revoke all" on four real
 * stores, with seeded waits at every await point. Judged twice: by the session checker on the clients' history, and by
 * PostgreSQL's session events. The same test finds two planted defects.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReadThroughDesign } from '../services/design.ts';
import { openConnection } from '../services/gateway/clients.ts';
import {
  type Plant,
  type PlantedMember,
  startPlantedMember,
} from '../services/gateway/fixtures/planted-members.ts';
import {
  prepareSchema,
  schemaUrl,
  sessionKey,
  usersWithoutHistory,
} from '../services/gateway/fixtures/platform.ts';
import { sessionDefects } from '../services/gateway/fixtures/session-defects.ts';
import { openRedis } from '../services/gateway/redis-clients.ts';
import { systemClock, systemRandom } from '../services/gateway/system.ts';
import { findDesign } from '../services/lineage.ts';
import type { Database, Statement } from '../services/ports.ts';
import type { SessionCache } from '../services/sessions/cache.ts';
import { type SeededSession, seedSessions } from '../services/sessions/seed-sessions.ts';
import { sharedStores } from '../sim/effects/testbed/fixtures/stores.ts';
import { createRandom } from '../sim/pure/random.ts';
import {
  type InterleavingFindings,
  judgeInterleavings,
} from './kill-matrix/fixtures/judge-interleavings.ts';
import { SessionHistory } from './kill-matrix/fixtures/session-history.ts';
import {
  drawInterleaving,
  type Interleaving,
  InterleavingRun,
  type InterleavingUser,
  pauseRandomly,
} from './kill-matrix/fixtures/session-interleaving.ts';

const seed = 20_261_121;
const total = 10_000;
const perChunk = 500;
const concurrency = 40;
/** In every tenth chunk one process has lost Redis, and its logouts advance the generation. */
const cutEvery = 10;
const names = ['gateway.1', 'gateway.2', 'gateway.3', 'gateway.4'];
const design = findDesign('turn1.after');
const store: ReadThroughDesign = {
  ...(design.sessions.store as ReadThroughDesign),
  generationTtlMs: 150,
  graceMs: 3_000,
  breakerOpenMs: 50,
};
const size = usersWithoutHistory(2 * total);

const { postgres, redis } = sharedStores('session-interleavings');
let databaseUrl: string;
let db: Database & { close(): Promise<void> };
let seeding: { redis: ReturnType<typeof openRedis>; passwordHash: string };

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema: 'interleavings', design, size });
  databaseUrl = schemaUrl(postgres.url, 'interleavings');
  db = await openConnection(databaseUrl);
  // For this test's final queries; the platform does not query events by session or user.
  await db.query({
    text: 'CREATE INDEX ON session_events (session_id); CREATE INDEX ON session_events (user_id)',
  });
  const [row] = await db.query<{ passwordHash: string }>({
    text: `UPDATE users SET password_hash = 'first' RETURNING password_hash AS "passwordHash"`,
  });
  seeding = { redis: openRedis(redis.url, () => {}), passwordHash: row!.passwordHash };
});
afterAll(async () => {
  seeding?.redis.disconnect();
  await db?.close();
});

/** One random stream for all await points: which one gets which wait depends on the machine. */
const waitRandom = createRandom(seed).fork('waits');
const pause = () => pauseRandomly(waitRandom);
const paused =
  <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) =>
  async (...args: Args): Promise<Result> => {
    await pause();
    const result = await work(...args);
    await pause();
    return result;
  };
const slowed = (inner: Database): Database => ({
  query: <Row>(statement: Statement) => paused(() => inner.query<Row>(statement))(),
});
const waits: Plant = {
  db: (inner) => ({
    ...slowed(inner),
    transaction: (work) => inner.transaction((tx) => work(slowed(tx))),
  }),
  cache: (cache): SessionCache => ({
    ...cache,
    read: paused(cache.read),
    beginPopulate: paused(cache.beginPopulate),
    populate: paused(cache.populate),
    extendTtls: paused(cache.extendTtls),
    markPending: paused(cache.markPending),
    writeTombstones: paused(cache.writeTombstones),
  }),
};

async function withMembers<Result>(
  defect: Plant | null,
  work: (members: readonly PlantedMember[]) => Promise<Result>,
): Promise<Result> {
  const common = {
    databaseUrl,
    redisUrl: redis.url,
    keyPrefix: `i${performance.now()}:`,
    pause,
    shared: new Map(),
    plants: defect ? [waits, defect] : [waits],
    design: { ...design, sessions: { ...design.sessions, store } },
  };
  const members = await Promise.all(
    names.map((name, index) => startPlantedMember({ ...common, name, index })),
  );
  try {
    return await work(members);
  } finally {
    await Promise.allSettled(members.map((member) => member.close()));
  }
}

async function runChunk(
  members: readonly PlantedMember[],
  numbers: readonly number[],
  concurrentUse: boolean,
): Promise<InterleavingFindings> {
  const users = await seedInterleavingUsers(numbers);
  const history = new SessionHistory();
  const plans = new Map<string, Interleaving>();
  const left = [...numbers];
  const worker = async () => {
    for (let number = left.pop(); number !== undefined; number = left.pop()) {
      const plan = drawInterleaving(seed, number, { gateways: members.length });
      const ownUsers = users
        .get(number)!
        .slice(0, plan.users)
        .map((one) => ({
          ...one,
          sessions: one.sessions.slice(0, plan.sessionsEach),
        }));
      const run = new InterleavingRun({
        history,
        gateways: members,
        users: ownUsers,
        concurrentUse,
      });
      await run.runSteps(plan, ownUsers);
      const subjects = await run.sweep();
      for (const subject of subjects) plans.set(subject, plan);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return judgeInterleavings(history, plans, db);
}

/** Seeds two users for each interleaving, with two sessions each. */
async function seedInterleavingUsers(
  numbers: readonly number[],
): Promise<Map<number, readonly InterleavingUser[]>> {
  const usersOf = (number: number) => [String(2 * number + 1), String(2 * number + 2)];
  const all = numbers.flatMap(usersOf);
  const given = {
    db,
    redis: seeding.redis,
    keyPrefix: '',
    clock: systemClock,
    random: systemRandom,
    sessionKey,
  };
  await db.query({
    text: `UPDATE users SET password_hash = 'first' WHERE id = ANY($1)`,
    values: [all],
  });
  const rounds = [];
  for (let round = 0; round < 2; round += 1)
    rounds.push(await seedSessions(all, { ...given, design: design.sessions }));
  const held = groupBy(rounds.flat(), ({ userId }) => userId);
  const facts = ({ token, sessionId, userId }: SeededSession) => ({
    token,
    session: { id: sessionId, userId, createdAtMs: 0, endsAtMs: 0 },
  });
  return new Map(
    numbers.map((number) => [
      number,
      usersOf(number).map((userId) => ({
        userId,
        passwordHash: seeding.passwordHash,
        sessions: held.get(userId)!.map(facts),
      })),
    ]),
  );
}

/** Map.groupBy, which Node 20 lacks. */
function groupBy<Value>(values: readonly Value[], keyOf: (value: Value) => string) {
  const groups = new Map<string, Value[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group) group.push(value);
    else groups.set(keyOf(value), [value]);
  }
  return groups;
}

const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

describe('interleavings', () => {
  it(`${total} of them: 0 revived, 0 missed`, { timeout: 300_000 }, async () => {
    const startedMs = performance.now();
    const all = await withMembers(null, async (members) => {
      const chunks: InterleavingFindings[] = [];
      for (let from = 0; from < total; from += perChunk) {
        const cut = (from / perChunk) % cutEvery === cutEvery - 1;
        if (cut) members[0]!.redis.disconnect();
        chunks.push(await runChunk(members, range(from, perChunk), !cut));
        if (cut) await members[0]!.redis.connect();
      }
      return chunks;
    });
    const seconds = (performance.now() - startedMs) / 1_000;
    const sum = (of: (one: InterleavingFindings) => number) =>
      all.reduce((total, one) => total + of(one), 0);
    const changes = sum((one) => one.changes);
    const revived = all.flatMap((one) => one.revived);
    const missed = all.flatMap((one) => one.missed);
    console.log(
      `${total} interleavings, seed ${seed}: ${sum((one) => one.operations)} operations, ${changes} changes, ${revived.length} revived, ${missed.length} missed, ${seconds.toFixed(1)} s`,
    );
    expect(revived.slice(0, 5)).toEqual([]);
    expect(missed.slice(0, 5)).toEqual([]);
    expect(all.flatMap((one) => one.unexpectedErrors)).toEqual([]);
    expect(changes).toBeGreaterThan(total);
  });

  it.each(['touch-revives', 'revoke-all-misses-login'])(
    'finds the planted defect %s',
    { timeout: 120_000 },
    async (id) => {
      const defect = sessionDefects.find((one) => one.id === id)!;
      const found = await withMembers(defect, async (members) => {
        for (let from = 0; from < 2_000; from += perChunk) {
          const { revived, missed } = await runChunk(members, range(from, perChunk), true);
          if (revived.length + missed.length > 0) return from + perChunk;
        }
        return null;
      });
      expect(found).not.toBeNull();
    },
  );
});
