/**
 * The words a workload is written in. Plain data, so that the same value crosses a process boundary,
 * lands in the history and is read again by a report. The arithmetic lives in schedule.ts.
 */

/**
 * One kind of request. `{name}` in `path` and in string values of `body` is replaced from the chosen
 * account's `vars`; `{op}` is replaced by the operation's number, unique in a run.
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
  /** Send without the account's headers (a login, a health check). Default false. */
  readonly anonymous?: boolean;
}

/** Open workload: arrivals do not wait for answers, as accounts drawn evenly. Stages follow each other without a gap. */
export interface OpenWorkload {
  readonly kind: 'open';
  readonly arrivals: 'constant' | 'poisson';
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

export type Workload = OpenWorkload | UsersWorkload;

/** One account the load may act as, made by the platform before the load starts. */
export interface Account {
  /** The platform's own id of the user, as its responses and tables show it. */
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly vars: Readonly<Record<string, string>>;
}

/** One planned operation: when (from the phase's start), as whom (index of an account), what (index of a template). */
export interface PlannedOperation {
  readonly atUs: number;
  readonly account: number;
  readonly template: number;
}
