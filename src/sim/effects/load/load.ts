/** What the two kinds of workload have in common, seen from the generator. */
import type { OperationTemplate } from '../../pure/workload.ts';
import type { Clock } from './monotonic-clock.ts';

/** Starts one operation now; `onDone` follows exactly once. */
export type StartOperation = (planned: {
  readonly scheduledUs: number;
  readonly account: number;
  readonly template: number;
  readonly target: number;
  readonly onDone: (doneUs: number) => void;
}) => void;

export interface LoadOptions {
  readonly seed: number;
  readonly accounts: number;
  readonly targets: number;
  readonly startUs: number;
  readonly clock: Clock;
  readonly start: StartOperation;
  /** Nothing more will be started. */
  readonly onExhausted: () => void;
}

export interface Load {
  readonly templates: readonly OperationTemplate[];
  /** Operations that fell due so far. */
  readonly planned: number;
  /** Starts no more; what is already due counts as planned. Does not call onExhausted. */
  stop(): void;
  setUsers(count: number): void;
}
