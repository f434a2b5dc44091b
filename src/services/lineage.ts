/**
 * The lineage: every design the turns made, in order. A turn's `before` is what was there and the situation the turn
 * describes, its `after` the decision, its `sample` the choice of the brief's own answer.
 */
import type { Design, ExactLimitsDesign } from './design.ts';

const MINUTE_MS = 60_000;

const turn1Before: Design = {
  name: 'turn1.before',
  turn: 1,
  summary: 'A session row is read and written in PostgreSQL on every request.',
  sessions: {
    region: 'us',
    idleTimeoutMs: 30 * MINUTE_MS,
    absoluteTimeoutMs: 12 * 60 * MINUTE_MS,
    store: { kind: 'row-per-request' },
    // OWASP's equal-strength family: N=2^15 r=8 p=3 takes 32 MiB and about 0.25 s of one core.
    password: {
      hashing: 'threads',
      cost: 2 ** 15,
      blockSize: 8,
      parallelization: 3,
      maxConcurrent: 2,
      maxWaiting: 64,
      maxWaitMs: 1_000,
    },
  },
  rateLimit: { kind: 'off' },
  audit: { writer: { kind: 'off' }, storage: { kind: 'flat' }, chain: { kind: 'none' } },
  activity: { kind: 'on-demand', cacheTtlMs: 0, maxSharedLoads: 1_000 },
  database: { poolMax: 10, connectionTimeoutMs: 2_000, statementTimeoutMs: 5_000 },
};

const turn1Sample: Design = {
  ...turn1Before,
  name: 'turn1.sample',
  summary: 'Sessions live in Redis for an hour, and each process remembers what it accepted.',
  sessions: {
    ...turn1Before.sessions,
    store: { kind: 'redis-ttl', ttlMs: 60 * MINUTE_MS, localCacheMs: 5 * MINUTE_MS },
  },
};

const turn1After: Design = {
  ...turn1Before,
  name: 'turn1.after',
  summary: 'Redis read-through over PostgreSQL: logout is durable and immediate, Redis may vanish.',
  sessions: {
    ...turn1Before.sessions,
    store: {
      kind: 'read-through',
      generationTtlMs: 300,
      graceMs: 30_000,
      redisTimeoutMs: 100,
      breakerOpenMs: 250,
      maxConcurrentReads: 4,
      maxWaitingReads: 10_000,
      touchEveryMs: MINUTE_MS,
    },
    // One at a time: the process hashes on its main thread, whose priority can be lowered.
    password: { ...turn1Before.sessions.password, hashing: 'process', maxConcurrent: 1 },
  },
};

const turn2Before: Design = {
  ...turn1After,
  name: 'turn2.before',
  turn: 2,
  summary: 'There are no limits.',
};

const turn2Sample: Design = {
  ...turn2Before,
  name: 'turn2.sample',
  summary: 'A token bucket per user: 100 at once, and 100 more over each minute.',
  rateLimit: {
    kind: 'buckets',
    user: [{ capacity: 100, refillMs: MINUTE_MS }],
    ciKeysUnlimited: false,
  },
};

const exactLimits: ExactLimitsDesign = {
  kind: 'exact',
  windowMs: MINUTE_MS,
  tiers: {
    standard: { organisation: 1_000, user: 100, key: 100, address: 300 },
    enterprise: { organisation: 5_000, user: 500, key: 500, address: 1_500 },
    ci: { organisation: 3_000, user: 100, key: 1_500, address: 3_000 },
  },
  keys: 'as-user',
  sharing: 'none',
  anonymous: {
    windowMs: MINUTE_MS,
    login: 10,
    loginPair: 5,
    loginAccount: 30,
    loginDevice: 5,
    loginKnown: 30,
    register: 10,
    unauthenticated: 30,
    public: 60,
  },
  routeClasses: { search: { weight: 5, concurrent: 4 } },
  slotTtlMs: 30_000,
  legacyHeaders: false,
  degraded: { redisTimeoutMs: 250, breakerOpenMs: 250, share: 0.1, refreshMs: 1_000 },
};

const turn2After: Design = {
  ...turn2Before,
  name: 'turn2.after',
  summary: 'Exact windows per organisation, user and address, decided together in one atomic step.',
  sessions: {
    ...turn2Before.sessions,
    // While bots keep the cores busy, one hash of the lowest priority takes up to 2 s, and is not interrupted.
    password: { ...turn2Before.sessions.password, maxWaitMs: 5_000 },
  },
  rateLimit: exactLimits,
};

const turn3Before: Design = {
  ...turn2After,
  name: 'turn3.before',
  turn: 3,
  summary: 'Audit events are kept in memory and written once a second.',
  audit: { ...turn2After.audit, writer: { kind: 'memory-batch', flushMs: 1_000 } },
};

const turn3Sample: Design = {
  ...turn3Before,
  name: 'turn3.sample',
  summary: 'Audit events are pushed to a queue without waiting for a confirmation.',
  audit: { ...turn3Before.audit, writer: { kind: 'queue', maxBatch: 500 } },
};

const turn3After: Design = {
  ...turn3Before,
  name: 'turn3.after',
  summary:
    'On record before the answer, in the transaction of the change; append-only, chained, checkpointed.',
  audit: {
    writer: {
      kind: 'group-commit',
      maxBatch: 500,
      maxInFlight: 4,
      queuedPerFlush: 16,
      maxQueued: 10_000,
      retryForMs: 2_000,
      localLogBytes: 64 * 1024 * 1024,
    },
    storage: { kind: 'monthly', liveDays: 400, retentionDays: 365, indexes: ['tenant'] },
    chain: {
      kind: 'sharded',
      shards: 8,
      everyMs: 50,
      maxRecords: 5_000,
      checkpointMs: 1_000,
      sequencer: 'process',
    },
  },
};

const turn4Before: Design = {
  ...turn3After,
  name: 'turn4.before',
  turn: 4,
  summary: 'The whole audit history of the user is read and sorted inside every request.',
  activity: { kind: 'every-response', items: 10 },
  database: { poolMax: 10, connectionTimeoutMs: 10_000, statementTimeoutMs: 30_000 },
};

const turn4After: Design = {
  ...turn4Before,
  name: 'turn4.after',
  summary: 'Activity on demand from an index and a short cache; old months leave for the archive.',
  audit: {
    ...turn3After.audit,
    storage: {
      kind: 'monthly',
      liveDays: 90,
      retentionDays: 365,
      indexes: ['tenant', 'actor'],
    },
  },
  activity: { kind: 'on-demand', cacheTtlMs: 2_000, maxSharedLoads: 10_000 },
};

const turn5Before: Design = {
  ...turn4After,
  name: 'turn5.before',
  turn: 5,
  summary: "An API key's requests count as its owner's: 50 build agents share one person's limit.",
};

const turn5Sample: Design = {
  ...turn5Before,
  name: 'turn5.sample',
  summary: 'A bucket per second beside the one per minute, and CI keys without any limit.',
  rateLimit: {
    kind: 'buckets',
    user: [
      { capacity: 100, refillMs: MINUTE_MS },
      { capacity: 10, refillMs: 1_000 },
    ],
    ciKeysUnlimited: true,
  },
};

const turn5After: Design = {
  ...turn5Before,
  name: 'turn5.after',
  summary:
    'A key has a window of its own, divided max-min fair between the agents enrolled for it.',
  rateLimit: { ...exactLimits, keys: 'own', sharing: 'max-min' },
};

export const designs: readonly Design[] = [
  turn1Before,
  turn1Sample,
  turn1After,
  turn2Before,
  turn2Sample,
  turn2After,
  turn3Before,
  turn3Sample,
  turn3After,
  turn4Before,
  turn4After,
  turn5Before,
  turn5Sample,
  turn5After,
];

export function findDesign(name: string): Design {
  const found = designs.find((design) => design.name === name);
  if (found) return found;
  const known = designs.map((design) => design.name).join(', ');
  throw new Error(`unknown design '${name}'; known designs: ${known}`);
}

/** The longest of any design, because a database does not record its design. */
export const auditRetentionDays = Math.max(
  ...designs.map(({ audit: { storage } }) =>
    storage.kind === 'monthly' ? storage.retentionDays : 0,
  ),
);
