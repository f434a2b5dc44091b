/**
 * Dependencies of a service: clock, randomness, database. And the error type a service throws for every response other
 * than success; the gateway turns it into a problem document (RFC 9457).
 */

export interface Clock {
  /** Unix time in microseconds. */
  nowUs(): number;
}

export interface Random {
  /** A random UUID, version 4. */
  uuid(): string;
  bytes(count: number): Buffer;
}

export interface Statement {
  /** Prepared once per connection under this name; omitted for statements that run rarely. */
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

export interface Database {
  query<Row>(statement: Statement): Promise<readonly Row[]>;
}

export interface TransactionalDatabase extends Database {
  /** Commits when `work` resolves, rolls back when it rejects. Rejects when COMMIT is not confirmed: then the outcome is unknown. */
  transaction<Result>(work: (tx: Database) => Promise<Result>): Promise<Result>;
}

type ChangedValues = Readonly<Record<string, string | number | boolean | null>>;

/** What a request changed of a person's or an organisation's rights; null: there was, or is, nothing. */
export interface StateChange {
  readonly before: ChangedValues | null;
  readonly after: ChangedValues | null;
}

/** What an audit event says beside its request. */
export interface AuditFields {
  userId?: string;
  organisationId?: string;
  resourceId?: string;
  sessionId?: string;
  change?: StateChange;
  /** Recorded as a denial for this reason, although the response does not show it. */
  denial?: string;
  /** Whose state changed. If it is not the actor's organisation, it gets an event of its own. */
  affectedOrganisationId?: string;
}

/**
 * Writes the audit event of the current request as a success (or as the denial `about` names), in the transaction of its change: called last before the
 * commit, at most once. `about` sets fields of the audit context that were not known before.
 */
export type RecordIn = (tx: Database, about?: AuditFields | null) => Promise<void>;

export interface ServiceProblem {
  readonly status: number;
  /** The problem's stable name, `email-taken`. */
  readonly code: string;
  /** Public: must not reveal internals. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A registered problem type instead of `urn:platform:problem:<code>`, with its title. */
  readonly registered?: { readonly type: string; readonly title: string };
  /** Extension members of the problem document. */
  readonly members?: Readonly<Record<string, unknown>>;
}

export class ServiceError extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly registered: ServiceProblem['registered'];
  readonly members: Readonly<Record<string, unknown>>;

  constructor(problem: ServiceProblem, options?: { cause?: unknown }) {
    super(problem.detail, options);
    this.name = 'ServiceError';
    this.status = problem.status;
    this.code = problem.code;
    this.headers = problem.headers ?? {};
    this.registered = problem.registered;
    this.members = problem.members ?? {};
  }
}

let lastSecond = Number.NaN;
let lastSecondText = '';

/** `2026-11-21T03:23:15.123456Z`: microseconds survive, and text order is time order. */
export function isoFromUs(us: number): string {
  const second = Math.floor(us / 1_000_000);
  // Most calls are in the same second as the previous one.
  if (second !== lastSecond) {
    lastSecondText = new Date(second * 1_000).toISOString().slice(0, -4);
    lastSecond = second;
  }
  return `${lastSecondText}${String(us - second * 1_000_000).padStart(6, '0')}Z`;
}

/** A UUID of version 7: ordered by time, so that inserts append to the index. */
export function timeOrderedId(nowUs: number, randomUuid: string): string {
  const time = Math.floor(nowUs / 1_000)
    .toString(16)
    .padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUuid.slice(15)}`;
}

/**
 * Runs a read of the database for a credential that nothing else knows, or refuses it, before any work, to whoever has
 * sent too many that were not valid. What is not found counts as such.
 */
export type ThrottleRead = <Found>(read: () => Promise<Found>) => Promise<Found>;

export const unthrottled: ThrottleRead = (read) => read();
