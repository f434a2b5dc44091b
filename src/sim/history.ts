/**
 * The history of a run: from what its plan was resolved, then arm by arm every operation, fault event, phase, recorded fact
 * and measurement, on one monotonic clock. Times are integer microseconds since the arm's origin. Stored as NDJSON, one
 * record a line. result.json is a function of the scenario and the history alone, see result/result-builder.ts.
 */
import type { ArmMeasurements } from './pure/judge/measurements.ts';
import type { LoadTool } from './pure/load/load-tool.ts';
import type { ArmName, Comparison, Environment } from './result.ts';

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
  /** When the whole answer had arrived, or the attempt was given up. */
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
  /** Subject of the credential that was used: a session id. */
  readonly subject?: string;
  /** Process of the service it was sent to, when there are several. */
  readonly target?: string;
  /** A retry by the client: 2 for the first one. Absent on a first attempt. */
  readonly attempt?: number;
  /** Id of the first attempt; absent on it. */
  readonly retryOf?: number;
}

/** A named interval of the run. `judged` phases enter the SLOs; the others are shown only. */
export interface PhaseRecord {
  readonly kind: 'phase';
  readonly name: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly judged: boolean;
}

/** An event of a fault. */
export interface FaultRecord {
  readonly kind: 'fault';
  readonly name: string;
  /**
   * `landed`: seen to have taken effect. `decision`: a seeded choice of the fault proxy, such as the request it cut.
   * `measured`: what was counted while it held.
   */
  readonly event: 'apply' | 'landed' | 'decision' | 'measured' | 'undo' | 'healed';
  readonly atUs: number;
  readonly detail?: string;
  /** Of `measured`. */
  readonly evidence?: readonly FaultEvidence[];
}

/** A measurement, and the bounds within which it agrees with the fault. */
export interface FaultEvidence {
  /** `bytes forwarded by gateway.1->redis`. */
  readonly what: string;
  /** Null: it could not be measured. */
  readonly value: number | null;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** A fact read from the system's own stores after the load, for instance one audit row. */
export interface FactRecord {
  readonly kind: 'effect';
  readonly name: string;
  /** Request id of the operation that caused it, as the system recorded it. */
  readonly requestId: string;
  readonly user: string;
  /** The system's own time of the fact, Unix microseconds. */
  readonly occurredAtUs: number;
  /** The system's own id of the fact. */
  readonly id: string;
  /** Subject of the fact: a session id. */
  readonly subject?: string;
  /** Further attributes: `action`, `outcome`, its place in the audit chain. */
  readonly facts?: Readonly<Record<string, string | number>>;
}

/** A request that arrived at a receiver, from the receiver's own log. */
export interface ArrivalRecord {
  readonly kind: 'arrival';
  /** Name of the receiver. */
  readonly node: string;
  /** Empty when the path names none of its endpoints. */
  readonly endpoint: string;
  /** When its headers had been read. */
  readonly atUs: number;
  /** When the answer was handed to the socket, or the connection reset; null when it got neither. */
  readonly doneUs: number | null;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Names in lower case; long values are truncated. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** `body` is incomplete: it was longer, or the connection ended. */
  readonly truncated: boolean;
  /** The endpoint's when the request arrived: `healthy`, `slow`. `unknown`: no such endpoint; `refused`: over a bound of the receiver. */
  readonly behaviour: string;
  /** Of the answer, 0 when there was none. */
  readonly status: number;
}

/** Increase of a histogram of one process of the service over a phase. */
export interface MetricRecord {
  readonly kind: 'metric';
  /** The service's metric name: `audit_wait_seconds`. */
  readonly name: string;
  readonly phase: string;
  readonly process: string;
  /** Cumulative counts by upper bound in the service's unit: `0.01`, `Infinity`. Absent: it could not be read, or the process was replaced. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** What one process holds while nothing is sent to it. */
export interface RestRecord {
  readonly kind: 'rest';
  /** `before` the load, after its warm-up; `after` the load. Several readings of each. */
  readonly when: 'before' | 'after';
  readonly atUs: number;
  /** `gateway.2`; of a store, its node: `postgres`. */
  readonly process: string;
  /** Descriptors, memory, the gauges of its metrics; of a store, connections. Absent: it could not be read. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** First record of an arm: records up to the next ArmRecord belong to it and use its clock. */
export interface ArmRecord {
  readonly kind: 'arm';
  readonly arm: string;
  readonly design: string;
  readonly seed: number;
  /** Wall clock of the arm's origin, for reading beside logs. */
  readonly originAt: string;
}

/** Last record of an arm. */
export interface MeasurementRecord extends ArmMeasurements {
  readonly kind: 'measured';
}

/** What a plan depends on beside its scenario: the flags of `sim`. */
export interface PlanOptions {
  readonly quick: boolean;
  readonly seed: number;
  /** Replaces populations by open arrivals at this rate and drops capacity searches. */
  readonly ratePerSecond?: number | undefined;
  /** Length of the judged phase. */
  readonly durationMs?: number | undefined;
  /** External generator for `ratePerSecond`; default our own sender. */
  readonly tool?: LoadTool | undefined;
  /** Default: all arms of the scenario. */
  readonly arms?: readonly ArmName[] | undefined;
  /** Swaps the designs of `before` and `after`; the verdict must then be unknown. For self-checks. */
  readonly swapArms?: boolean | undefined;
}

/** First record of a run. */
export interface RunRecord {
  readonly kind: 'run';
  readonly runId: string;
  readonly scenario: string;
  /** ISO 8601 instant in UTC. */
  readonly startedAt: string;
  readonly command: string;
  readonly options: PlanOptions;
  readonly environment: Omit<Environment, 'versions'>;
}

/** Last record of a run. */
export interface EndRecord {
  readonly kind: 'end';
  readonly durationMs: number;
  readonly aborted: boolean;
  /** The arms that were judged; an interrupted one may have left records as well. */
  readonly arms: readonly ArmName[];
  /** Of the nodes, see Environment. */
  readonly versions: Readonly<Record<string, string>>;
  readonly comparison?: Comparison;
}

export type HistoryRecord =
  | RunRecord
  | EndRecord
  | MeasurementRecord
  | ArmRecord
  | OperationRecord
  | PhaseRecord
  | FaultRecord
  | FactRecord
  | ArrivalRecord
  | MetricRecord
  | RestRecord;
