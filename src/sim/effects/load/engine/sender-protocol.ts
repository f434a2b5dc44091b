/**
 * The IPC messages between a run and its load generator. Times are integer microseconds since `originUs`, the run's
 * origin on the machine's monotonic clock, which all processes share.
 */
import type { SenderTotals } from '../../../pure/judge/measurements.ts';
import type { Workload } from '../../../pure/load/workload.ts';
import type { TargetAddress } from '../http/target.ts';

export interface SenderInit {
  readonly type: 'init';
  /** The processes of the service; each operation goes to one of them, drawn from the seed. */
  readonly targets: readonly TargetAddress[];
  /** JSON array of Account. */
  readonly accountsFile: string;
  /** Operations are appended here, one JSON record a line, in the order they ended. */
  readonly historyFile: string;
  /** Each request carries `x-request-id: <prefix><operation id>`. */
  readonly requestIdPrefix: string;
  readonly originUs: number;
  /** An operation is given up this long after its scheduled instant. */
  readonly timeoutMs: number;
  /** Operations waiting for a connection or an answer; arrivals beyond it are never sent. */
  readonly maxInFlight: number;
  /** Connections to each target, one operation at a time on each. */
  readonly maxConnections: number;
  /** Default: our schedule over our own sockets. */
  readonly load?: 'undici' | 'autocannon';
}

export type ToSender =
  | SenderInit
  | {
      readonly type: 'run';
      readonly phase: string;
      readonly workload: Workload;
      readonly seed: number;
      readonly startUs: number;
    }
  /** Relabels operations scheduled from now on; the load goes on. */
  | { readonly type: 'phase'; readonly name: string }
  /** Grows or shrinks the running population. */
  | { readonly type: 'users'; readonly count: number }
  /** No new operations; those in flight get `graceMs`. */
  | { readonly type: 'stop'; readonly graceMs: number }
  /** Answered once, at the first ok record of this name from now on. */
  | { readonly type: 'acknowledged'; readonly waiterId: number; readonly operation: string }
  | { readonly type: 'totals' }
  | { readonly type: 'close' };

export interface SenderProgress {
  readonly type: 'progress';
  readonly phase: string;
  readonly offeredPerSecond: number;
  readonly achievedPerSecond: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** Operations of the window that were not ok. */
  readonly errors: number;
  readonly inFlight: number;
  readonly lagP99Us: number | null;
}

export interface RunSummary {
  readonly phase: string;
  /** Operations that fell due. */
  readonly planned: number;
  /** Their attempts: `planned` and the retries, no more and no less. */
  readonly recorded: number;
  readonly retries: number;
  readonly startedUs: number;
  readonly endedUs: number;
}

/** One operation that was answered ok. */
export interface Acknowledgement {
  readonly atUs: number;
  readonly requestId: string;
}

export type FromSender =
  | { readonly type: 'ready' }
  | SenderProgress
  /** A load begins, and has finished after `limitMs` at the latest. */
  | { readonly type: 'started'; readonly limitMs: number }
  /** From `atUs` on, scheduled instants belong to the phase. */
  | { readonly type: 'phase-started'; readonly phase: string; readonly atUs: number }
  | ({ readonly type: 'finished' } & RunSummary)
  | ({ readonly type: 'acknowledged'; readonly waiterId: number } & Acknowledgement)
  | ({ readonly type: 'totals' } & SenderTotals)
  | { readonly type: 'closed' }
  | { readonly type: 'fatal'; readonly message: string };
