/**
 * A design: one version of the platform's architecture, as data. Every choice a turn made is a field here, and
 * the gateway builds itself from nothing else, so two designs can be compared field by field and the lineage
 * reads as a diff. Times are milliseconds. Services read their own section; none reads another's.
 */

export interface SessionsDesign {
  /** A session ends after this long without a request. */
  readonly idleTimeoutMs: number;
  /** A session ends this long after login, whatever happens. */
  readonly absoluteTimeoutMs: number;
  readonly password: PasswordDesign;
}

/** scrypt cost and how much of it may run at once: hashing must not starve everything else. */
export interface PasswordDesign {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly maxConcurrent: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}

/** At most `limit` admissions in any window of `windowMs`. */
export interface WindowLimit {
  readonly limit: number;
  readonly windowMs: number;
}

export interface RateLimitDesign {
  /** Every authenticated request, per user. */
  readonly user: WindowLimit;
  /** Routes that have no user yet, per client address. */
  readonly login: WindowLimit;
  readonly register: WindowLimit;
}

export type AuditWriterDesign =
  | { readonly kind: 'insert-per-request' }
  | {
      readonly kind: 'group-commit';
      readonly maxBatch: number;
      readonly maxInFlight: number;
      /** Events waiting for a flush; one more is refused. */
      readonly maxQueued: number;
      /** How long a batch is tried again when the connection to the store is lost. */
      readonly retryForMs: number;
    };

export type AuditStorageDesign =
  /** One table, in order of arrival. */
  | { readonly kind: 'flat' }
  /** One partition per month; those wholly older than `liveDays` are in the archive. */
  | { readonly kind: 'monthly'; readonly liveDays: number };

export interface AuditDesign {
  readonly writer: AuditWriterDesign;
  readonly storage: AuditStorageDesign;
}

export type ActivityDesign =
  /** The whole history of the user is read inside every request and the newest `items` are in every answer. */
  | { readonly kind: 'every-response'; readonly items: number }
  | {
      readonly kind: 'on-demand';
      /** How stale a first page may be; 0 turns the cache off. */
      readonly cacheTtlMs: number;
      /** Loads shared by concurrent requests at one time; beyond it each request reads for itself. */
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

const minute = 60_000;

const turn4Before: Design = {
  name: 'turn4.before',
  turn: 4,
  summary: 'The whole audit history of the user is read and sorted inside every request.',
  sessions: {
    idleTimeoutMs: 30 * minute,
    absoluteTimeoutMs: 12 * 60 * minute,
    // OWASP's equal-strength family: N=2^15 r=8 p=3 takes 32 MiB and about 0.25 s of one core.
    password: {
      cost: 2 ** 15,
      blockSize: 8,
      parallelization: 3,
      maxConcurrent: 2,
      maxWaiting: 64,
      maxWaitMs: 5_000,
    },
  },
  rateLimit: {
    user: { limit: 100, windowMs: minute },
    login: { limit: 10, windowMs: minute },
    register: { limit: 10, windowMs: minute },
  },
  audit: { writer: { kind: 'insert-per-request' }, storage: { kind: 'flat' } },
  activity: { kind: 'every-response', items: 10 },
  database: { poolMax: 10, connectionTimeoutMs: 10_000, statementTimeoutMs: 30_000 },
};

const turn4After: Design = {
  ...turn4Before,
  name: 'turn4.after',
  summary: 'Activity on demand from an index and a short cache; audit rows committed in groups.',
  audit: {
    writer: {
      kind: 'group-commit',
      maxBatch: 500,
      maxInFlight: 2,
      maxQueued: 10_000,
      retryForMs: 2_000,
    },
    storage: { kind: 'monthly', liveDays: 90 },
  },
  activity: { kind: 'on-demand', cacheTtlMs: 2_000, maxSharedLoads: 10_000 },
};

export const designs: readonly Design[] = [turn4Before, turn4After];

export function findDesign(name: string): Design {
  const found = designs.find((design) => design.name === name);
  if (found) return found;
  const known = designs.map((design) => design.name).join(', ');
  throw new Error(`unknown design '${name}'; known designs: ${known}`);
}
