/**
 * The history: every operation, fault event, phase and side effect of one arm, on one monotonic clock.
 * Times are integer microseconds since the arm's origin. Stored as NDJSON, one record a line.
 */

/** `fail`: did not happen. `unknown`: may have happened (timeout, reset after a byte was sent, 5xx). */
export type Outcome = 'ok' | 'fail' | 'unknown';

export interface OperationRecord {
  readonly kind: 'op';
  /** Unique in the arm, in order of `scheduledUs`. */
  readonly id: number;
  readonly phase: string;
  readonly name: string;
  /** Account id as the platform knows it; empty for an anonymous request. */
  readonly user: string;
  readonly requestId: string;
  readonly scheduledUs: number;
  /** When the request was handed to the socket layer; -1 when it never was. */
  readonly sentUs: number;
  /** When the whole answer had arrived, or when we gave up. */
  readonly doneUs: number;
  readonly outcome: Outcome;
  /** HTTP status, 0 when there was none. */
  readonly status: number;
  /** Short cause for anything but ok: `timeout`, `ECONNRESET`, `http 503`, `never sent`. */
  readonly error?: string;
  /** Response body, when the template asked for it. */
  readonly body?: string;
  /** Response headers, when the template asked for them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What the operation was about beside the user, from the credential it acted with: a session id. */
  readonly subject?: string;
  /** Process of the service it was sent to, when there is more than one. */
  readonly target?: string;
  /** A retry by the client: 2 for the first one. Absent on a first attempt. */
  readonly attempt?: number;
  /** Id of the first attempt; absent on it. */
  readonly retryOf?: number;
}

/** A named stretch of the run. `judged` phases enter the SLOs; the others are shown only. */
export interface PhaseRecord {
  readonly kind: 'phase';
  readonly name: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly judged: boolean;
}

/** Something done to the system under test, or seen to have taken effect. */
export interface FaultRecord {
  readonly kind: 'fault';
  readonly name: string;
  /** `decision`: one seeded choice of the fault proxy, such as the request it cut. */
  readonly event: 'apply' | 'landed' | 'decision' | 'undo' | 'healed';
  readonly atUs: number;
  readonly detail?: string;
}

/** A fact read from the system's own stores after the load, for instance one audit row. */
export interface EffectRecord {
  readonly kind: 'effect';
  readonly name: string;
  /** The operation that caused it, as the system recorded it. */
  readonly requestId: string;
  readonly user: string;
  /** The system's own time of the effect, Unix microseconds. */
  readonly occurredAtUs: number;
  /** The system's own id of the fact. */
  readonly id: string;
  /** What the fact is about: a session id. */
  readonly subject?: string;
  /** What else is known of it: `action`, `outcome`, its place in a chain. */
  readonly facts?: Readonly<Record<string, string | number>>;
}

/** A request that arrived at a receiver, from the receiver's own log. */
export interface ArrivalRecord {
  readonly kind: 'arrival';
  /** Of the receiver. */
  readonly node: string;
  /** Empty when the path names none of its endpoints. */
  readonly endpoint: string;
  /** When its head had been read. */
  readonly atUs: number;
  /** When the answer was handed to the socket, or the connection reset; null when it got neither. */
  readonly doneUs: number | null;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Names in lower case; long values are cut. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The body was longer, or the connection ended within it. */
  readonly truncated: boolean;
  /** The endpoint's when the request arrived: `healthy`, `slow`. `unknown`: no such endpoint; `refused`: over a bound of the receiver. */
  readonly behaviour: string;
  /** Of the answer, 0 when there was none. */
  readonly status: number;
}

/** What a histogram of one process of the service gained in a phase. */
export interface MetricRecord {
  readonly kind: 'metric';
  /** As the service calls it: `audit_wait_seconds`. */
  readonly name: string;
  readonly phase: string;
  readonly process: string;
  /** Cumulative, by upper bound in the service's own unit: `0.01`, `Infinity`. Absent: it could not be read, or was not the same process throughout. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** Opens an arm's part of the file: every record up to the next one of these is on this arm's clock. */
export interface ArmRecord {
  readonly kind: 'arm';
  readonly arm: string;
  readonly design: string;
  readonly seed: number;
  /** Wall clock of the arm's origin, for reading beside logs. */
  readonly originAt: string;
}

export type HistoryRecord =
  | ArmRecord
  | OperationRecord
  | PhaseRecord
  | FaultRecord
  | EffectRecord
  | ArrivalRecord
  | MetricRecord;
