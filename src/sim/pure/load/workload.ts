/**
 * Workload types. Plain data, so that the same value crosses process boundaries and is written to the history.
 * schedule.ts turns a workload into requests.
 */

/**
 * One kind of request. `{name}` in `path` and in string values of `body` is replaced from the chosen
 * account's `vars`, `{subject}` by the credential's subject, `{op}` by the operation's number, unique in a run and the
 * same in its retries, `{opHex}` by that number as two groups of an IPv6 address, `a:1f`.
 *
 * The planned account is an index into the current list of credentials of the kind `as`, modulo its length. Until a
 * credential is issued or revoked, that is the account's own. With an empty list the operation is recorded as `fail`,
 * `no credential`, never sent: no arrival is lost.
 */
export interface OperationTemplate {
  readonly name: string;
  /** Relative frequency among the workload's operations; any positive number. */
  readonly weight: number;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  /** Keep the response body in the history, for a checker. At most 64 kB; default false. */
  readonly capture?: boolean;
  /**
   * Send without the account's headers. Default false. The record names the planned account if the template uses one of
   * its variables or issues a credential (a login), and no user otherwise (a health check).
   */
  readonly anonymous?: boolean;
  /** Credentials to use: `live` (default), `ended`, the last few that ended (`just-ended`), or `any`. */
  readonly as?: CredentialKind;
  /**
   * Revokes the credential it uses (true), the user's `others`, or `all` of the user: not `live` from the send on, `ended`
   * once acknowledged, `live` again only after outcome `fail`. After `unknown` they are neither, nor is one that was
   * issued to the user while the others were being revoked.
   */
  readonly revokesCredential?: boolean | 'others' | 'all';
  /**
   * An `ok` answer issues a new live credential of the same account: paths of its bearer token, subject and end (ISO time)
   * in the JSON body, with dots. An answer without token or subject has outcome `unknown`.
   */
  readonly issuesCredential?: {
    readonly token: string;
    readonly subject: string;
    readonly endsAt?: string;
  };
  /** How long the client waits for the answer; default as the scenario says. */
  readonly timeoutMs?: number;
  readonly retry?: RetryPolicy;
  /** Only accounts of this group, in turn; default all. Not in a closed load. */
  readonly group?: string;
  /**
   * Additional headers; `{name}` is replaced as in a path. They override the account's, and anonymous operations send
   * them too.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** Response headers to keep in the history, for a checker: lower case, of each the first, at most 1 kB of it. */
  readonly captureHeaders?: readonly string[];
}

/** `ended`: its revocation was acknowledged, or its own end has come. */
export type CredentialKind = 'live' | 'ended' | 'just-ended' | 'any';

/** Client retries. Every attempt is a record of its own in the history. */
export interface RetryPolicy {
  /** Total attempts, including the first. */
  readonly attempts: number;
  /** Full jitter: the k-th retry waits uniformly between 0 and min(baseMs * 2^(k-1), capMs). */
  readonly baseMs: number;
  readonly capMs: number;
  /** Statuses that are retried beside `unknown` outcomes and requests never sent. */
  readonly statuses: readonly number[];
  /** Retry on the next process of the service. */
  readonly onNextInstance: boolean;
  /**
   * Wait for the answer's Retry-After instead, if it has one (it is kept in the history). The client gives up when that
   * is longer than `capMs` (0: no limit) or ends after the load's planned end.
   */
  readonly obeyRetryAfter?: boolean;
}

/** Open workload: arrivals do not wait for answers, as accounts drawn evenly. Stages follow each other without a gap. */
export interface OpenWorkload {
  readonly kind: 'open';
  /** `bursts`: all arrivals of a period of `burstEveryMs` come at its start. */
  readonly arrivals: 'constant' | 'poisson' | 'bursts';
  /**
   * Required for `bursts`, and only there. `burstOffsetMs` delays every burst, by less than a period (default 0), at
   * most to the end: the number of arrivals does not depend on it.
   */
  readonly burstEveryMs?: number;
  readonly burstOffsetMs?: number;
  /** Each stage goes linearly from `ratePerSecond` to `endRatePerSecond` (default: the same). */
  readonly stages: readonly {
    readonly ratePerSecond: number;
    readonly endRatePerSecond?: number;
    readonly durationMs: number;
  }[];
  readonly operations: readonly OperationTemplate[];
}

/** Closed workload: the first `users` accounts of the file, each with a think time between an answer and its next request. */
export interface UsersWorkload {
  readonly kind: 'users';
  readonly users: number;
  /** Think time: Erlang with this mean and shape (1 = exponential, larger = more regular). */
  readonly think: { readonly meanMs: number; readonly shape: number };
  /** How many users send at once at the start, so that a queue begins near its steady state. */
  readonly startBusy: number;
  readonly durationMs: number;
  readonly operations: readonly OperationTemplate[];
}

/** One operation with every credential of a kind (the template's `as` is ignored), in seeded order, at a constant rate; on every process or on one. */
export interface SweepWorkload {
  readonly kind: 'sweep';
  readonly as: 'live' | 'ended';
  /** At most this many credentials, the first of the seeded order; default all. */
  readonly max?: number;
  readonly everyTarget: boolean;
  readonly ratePerSecond: number;
  readonly operations: readonly [OperationTemplate];
}

/**
 * Concurrent open loads, each with arrivals of its own: honest users beside bots. They have the same length and share
 * no operation. Built by mixOf.
 */
export interface MixWorkload {
  readonly kind: 'mix';
  readonly streams: readonly OpenWorkload[];
  /** Of all streams, in order. */
  readonly operations: readonly OperationTemplate[];
}

export function mixOf(streams: readonly OpenWorkload[]): MixWorkload {
  return { kind: 'mix', streams, operations: streams.flatMap((stream) => stream.operations) };
}

export type Workload = OpenWorkload | UsersWorkload | SweepWorkload | MixWorkload;

/** One account the load may act as, made by the platform before the load starts. */
export interface Account {
  /** The platform's own id of the user, as its responses and tables show it. */
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly vars: Readonly<Record<string, string>>;
  /** Identifies its credential in the history: a session id, an agent. */
  readonly subject?: string;
  /** Templates may ask for accounts of one group: `honest`, `scraper`. */
  readonly group?: string;
  /** When its credential ends without a revocation, Unix milliseconds: not `live` around then, and `ended` afterwards. */
  readonly endsAtMs?: number;
  /** Its credential is not `live` before its end either: it ends because nobody uses it. */
  readonly dormant?: boolean;
}

/**
 * One planned operation: when (from the phase's start), as whom (index of an account), what (index of a
 * template), where (index of a target, that is of a process of the service).
 */
export interface PlannedOperation {
  readonly atUs: number;
  readonly account: number;
  /**
   * Index among the accounts that may act (all, or a group), plus their number for every completed round: selects the
   * credential.
   */
  readonly position: number;
  readonly template: number;
  readonly target: number;
}
