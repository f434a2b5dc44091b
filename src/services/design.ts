/**
 * A design: one version of the platform's architecture, as data. Every choice a turn made is a field here, and
 * the gateway builds itself from nothing else, so two designs can be compared field by field and the lineage
 * reads as a diff. Times are milliseconds. Services read their own section; none reads another's.
 */

/** The PostgreSQL roles that a gateway and its sequencer log in as, where the run may create roles. */
export const DATABASE_ROLES = {
  gateway: 'platform_gateway',
  sequencer: 'platform_sequencer',
} as const;

export interface SessionsDesign {
  /** Written into every token; a token of another region is refused without a read. */
  readonly region: string;
  /** A session ends after this long without a request. */
  readonly idleTimeoutMs: number;
  /** A session ends this long after login in any case. */
  readonly absoluteTimeoutMs: number;
  readonly store: SessionStoreDesign;
  readonly password: PasswordDesign;
}

export type SessionStoreDesign =
  /** The row is read and written in PostgreSQL on every request. */
  | { readonly kind: 'row-per-request' }
  /** Redis alone, for `ttlMs` from login; a process caches accepted sessions for `localCacheMs`. */
  | { readonly kind: 'redis-ttl'; readonly ttlMs: number; readonly localCacheMs: number }
  | ReadThroughDesign;

/** PostgreSQL is authoritative, Redis answers the checks. */
export interface ReadThroughDesign {
  readonly kind: 'read-through';
  /** A process uses Redis for this long after it last read the generation. */
  readonly generationTtlMs: number;
  /** While PostgreSQL does not answer: for this long after it last confirmed one. */
  readonly graceMs: number;
  /** A Redis slower than this counts as down. */
  readonly redisTimeoutMs: number;
  /** No command is sent to Redis for this long after an error. */
  readonly breakerOpenMs: number;
  /** Statements that read sessions at one time, and checks that may wait for one. */
  readonly maxConcurrentReads: number;
  readonly maxWaitingReads: number;
  /** "Last seen" is written at most this often per session. */
  readonly touchEveryMs: number;
}

/** scrypt cost, and a bound on concurrent hashing, which must not starve other requests. */
export interface PasswordDesign {
  /** On threads beside the requests, or in a process of its own at the lowest priority. */
  readonly hashing: 'threads' | 'process';
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly maxConcurrent: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}

export type RateLimitDesign = { readonly kind: 'off' } | BucketsDesign | ExactLimitsDesign;

/** Token buckets per user: each holds `capacity` and is refilled with as much, evenly, in `refillMs`. */
export interface BucketsDesign {
  readonly kind: 'buckets';
  readonly user: readonly { readonly capacity: number; readonly refillMs: number }[];
  /** Requests with a key of tier `ci` are not limited. */
  readonly ciKeysUnlimited: boolean;
}

/** Exact windows at every level, decided together. Each number is units in any window of `windowMs`. */
export interface ExactLimitsDesign {
  readonly kind: 'exact';
  readonly windowMs: number;
  /** By the organisation's tier; an organisation may have limits of its own, which change at run time. */
  readonly tiers: Readonly<Record<'standard' | 'enterprise' | 'ci', TierLimits>>;
  /** `as-user`: a key's requests are its owner's. `own`: a key has a window of its own. */
  readonly keys: 'as-user' | 'own';
  /** How a key's window is divided between its agents; `none`: first come, first served. */
  readonly sharing: 'none' | 'max-min';
  readonly anonymous: AnonymousLimits;
  /** Routes that take more than one unit, or have a window or a concurrency limit of their own, per user or key. */
  readonly routeClasses: Readonly<Record<string, RouteClassLimits>>;
  readonly slotTtlMs: number;
  /** Old X-RateLimit fields beside those of the draft. */
  readonly legacyHeaders: boolean;
  readonly degraded: {
    /** Redis slower than this counts as down. */
    readonly redisTimeoutMs: number;
    readonly breakerOpenMs: number;
    /** The degraded share: the part of each limit that all processes together admit without Redis. */
    readonly share: number;
    /** How often a process reads the settings and reports to the members' table. */
    readonly refreshMs: number;
  };
}

export interface TierLimits {
  readonly organisation: number;
  readonly user: number;
  readonly key: number;
  /** Per client address, within one organisation. */
  readonly address: number;
}

export interface AnonymousLimits {
  /** At most the window of the other limits, because that is how long a Redis that lost its data is not used. */
  readonly windowMs: number;
  /** Password checks per address; per account from one address; per account. Successful ones are refunded. */
  readonly login: number;
  readonly loginPair: number;
  readonly loginAccount: number;
  /**
   * Of known devices, and of sessions of the account, instead of these three, so that a stranger cannot lock it: per device
   * (all sessions count as one); all of an account. At most loginAccount + loginKnown guesses are made on one account.
   */
  readonly loginDevice: number;
  readonly loginKnown: number;
  readonly register: number;
  /** Requests with an invalid token, per address. */
  readonly unauthenticated: number;
  /** Unknown paths and methods, and the API description, per address. */
  readonly public: number;
}

export interface RouteClassLimits {
  /** Units a request takes at every level. */
  readonly weight: number;
  readonly limit?: number;
  readonly concurrent?: number;
}

export type AuditWriterDesign =
  | { readonly kind: 'off' }
  /** Kept in memory and written every `flushMs`; the answer does not wait. */
  | { readonly kind: 'memory-batch'; readonly flushMs: number }
  /** Pushed to a list in Redis without waiting, and written by a consumer in each process. */
  | { readonly kind: 'queue'; readonly maxBatch: number }
  | GroupCommitDesign;

/** Durable before the answer: with the change itself where there is one, in shared commits otherwise. */
export interface GroupCommitDesign {
  readonly kind: 'group-commit';
  readonly maxBatch: number;
  readonly maxInFlight: number;
  /** With n flushes running another starts when more than n times this many events wait, so commits grow before their number. */
  readonly queuedPerFlush: number;
  /** Events waiting for a flush; one more is refused. */
  readonly maxQueued: number;
  /** How long a batch is retried when the connection to the store is lost. */
  readonly retryForMs: number;
  /** Bounds the local log of a process, which takes reads and denials while PostgreSQL is away; 0: refuse them. */
  readonly localLogBytes: number;
}

export type AuditStorageDesign =
  /** One table, in order of arrival. */
  | { readonly kind: 'flat' }
  /** One partition per month; those wholly older than `liveDays` are in the archive. */
  | {
      readonly kind: 'monthly';
      readonly liveDays: number;
      /** A month stays in the database at least this long after its end; an archive run may set more, never less. */
      readonly retentionDays: number;
      /** `tenant`: newest first of an organisation. `actor`: newest first of a user. */
      readonly indexes: readonly ('tenant' | 'actor')[];
    };

/** Committed records are put into hash-chained blocks, per shard of tenants, by one elected process. */
export type AuditChainDesign =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'sharded';
      /** Shard of a record: organisation id modulo this. */
      readonly shards: number;
      /** Between two reads of new records. */
      readonly everyMs: number;
      /** Most records in one batch. */
      readonly maxRecords: number;
      /** A signed checkpoint is written outside the database at most this often, and only when something was added. */
      readonly checkpointMs: number;
      /** Hashing and signing: in a process of its own beside the gateway, or on the thread that answers requests. */
      readonly sequencer: 'process' | 'thread';
    };

export interface AuditDesign {
  readonly writer: AuditWriterDesign;
  readonly storage: AuditStorageDesign;
  readonly chain: AuditChainDesign;
}

export type ActivityDesign =
  /** The whole history of the user is read inside every request and the newest `items` are in every answer. */
  | { readonly kind: 'every-response'; readonly items: number }
  | {
      readonly kind: 'on-demand';
      /** How stale a first page may be; 0 turns the cache off. */
      readonly cacheTtlMs: number;
      /** Most reads in flight that concurrent requests share; beyond it each request reads for itself. */
      readonly maxSharedLoads: number;
    };

export interface DatabaseDesign {
  readonly poolMax: number;
  readonly connectionTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

export interface Design {
  /** `turn4.before` */
  readonly name: string;
  readonly turn: number;
  readonly summary: string;
  readonly sessions: SessionsDesign;
  readonly rateLimit: RateLimitDesign;
  readonly audit: AuditDesign;
  readonly activity: ActivityDesign;
  readonly database: DatabaseDesign;
}
