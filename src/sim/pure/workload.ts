/**
 * The words a workload is written in. Plain data, so that the same value crosses a process boundary,
 * lands in the history and is read again by a report. The arithmetic lives in schedule.ts.
 */

/**
 * One kind of request. `{name}` in `path` and in string values of `body` is replaced from the chosen
 * account's `vars`, `{subject}` is what the credential is called, `{op}` the operation's number, unique in a run
 * and the same in its retries, `{opHex}` that number as two groups of an IPv6 address, `a:1f`: a new one each time.
 *
 * Who acts: the planned account is an index, and draws the credential at that place of the present list of the
 * kind, round and round. While nothing has begun or ended, that is the account's own. With none of the kind the
 * operation is recorded as `fail`, `no credential`, never sent: an arrival is not lost.
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
   * Send without the account's headers. Default false. It is still about the planned account if it names one of its
   * variables or begins a credential (a login), and about nobody otherwise (a health check).
   */
  readonly anonymous?: boolean;
  /** Which credentials may act: those not ended (default), those whose end was acknowledged, or any known. */
  readonly as?: 'live' | 'ended' | 'any';
  /**
   * Ends the credential it acts with: not drawn as live from the send on, `ended` once acknowledged (ok), and
   * live again only if the operation definitely failed. Unknown: neither.
   */
  readonly ends?: boolean;
  /**
   * An ok answer makes a new live credential of the same account, from fields of the JSON body; a dot leads into
   * an object. It is sent as a bearer token. An answer without them is unknown: nobody holds what it made.
   */
  readonly begins?: { readonly token: string; readonly subject: string };
  readonly retry?: RetryPolicy;
  /** Only accounts of this group act, drawn evenly among themselves; default all. Not in a closed load. */
  readonly group?: string;
  /**
   * Sent beside the account's; `{name}` is replaced as in a path. Wins over an account's header of the same name.
   * Sent by an anonymous operation too, which is about the planned account if they name one of its variables.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** Response headers to keep in the history, for a checker: lower case, of each the first, at most 1 kB of it. */
  readonly captureHeaders?: readonly string[];
}

/** What a client does after an attempt that was not ok. Every attempt is an operation of its own in the history. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number;
  /** Full jitter: the k-th retry waits uniformly between 0 and min(baseMs * 2^(k-1), capMs). */
  readonly baseMs: number;
  readonly capMs: number;
  /** Statuses that are retried beside `unknown` outcomes and requests never sent. */
  readonly statuses: readonly number[];
  /** Retry on the next process of the service. */
  readonly elsewhere: boolean;
  /**
   * Wait as long as the answer's Retry-After says (it is kept in the history), if it says anything, and not by the
   * rule above; never shorter. A client told to wait longer than `capMs` (0: any time), or beyond the planned end
   * of the load, gives up.
   */
  readonly obeyRetryAfter?: boolean;
}

/** Open workload: arrivals do not wait for answers, as accounts drawn evenly. Stages follow each other without a gap. */
export interface OpenWorkload {
  readonly kind: 'open';
  /** `bursts`: all that are due in a period of `burstEveryMs` come together at its start. */
  readonly arrivals: 'constant' | 'poisson' | 'bursts';
  /**
   * Needed for `bursts`, and only there. Every burst comes `burstOffsetMs` later, default 0 and less than a period,
   * but none after the end: their number does not depend on it.
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

/** Closed workload: `users` people, the first accounts of the file, who think between an answer and their next request. */
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

/** One operation as every credential of a kind (whatever its template says of `as`), in seeded order, at a constant rate; on every process or on one. */
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
 * Several open loads at once, each with arrivals of its own: honest users beside bots. They end together, and no
 * operation is in two of them. Made by mixOf.
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
  /** What its credential is called in the history: a session id, an agent. */
  readonly subject?: string;
  /** Templates may ask for accounts of one group: `honest`, `scraper`. */
  readonly group?: string;
}

/**
 * One planned operation: when (from the phase's start), as whom (index of an account), what (index of a
 * template), where (index of a target, that is of a process of the service).
 */
export interface PlannedOperation {
  readonly atUs: number;
  readonly account: number;
  /**
   * Its place among the accounts that may act (all, or a group), and their number for every round that the plan has
   * made over them: which credential it draws.
   */
  readonly position: number;
  readonly template: number;
  readonly target: number;
}
