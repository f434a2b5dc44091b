/** What the generator needs of every kind of workload. */
import type { AccountGroups } from '../../../pure/load/round-robin.ts';
import type { OperationTemplate } from '../../../pure/load/workload.ts';
import type { Clock } from './monotonic-clock.ts';

/** Starts one operation now; `onDone` follows exactly once. */
export type StartOperation = (planned: {
  readonly scheduledUs: number;
  /**
   * Of the actor: index of the planned account among those that may act, plus their number for every completed round.
   * A list of credentials longer than the accounts is still used evenly that way.
   */
  readonly position: number;
  readonly template: number;
  readonly target: number;
  readonly onDone: (doneUs: number) => void;
}) => void;

export interface LoadOptions {
  readonly seed: number;
  readonly accounts: number;
  readonly groups: AccountGroups;
  /** Number of credentials that a sweep covers. */
  readonly sweptCredentials: number;
  readonly targets: number;
  readonly startUs: number;
  readonly clock: Clock;
  readonly start: StartOperation;
  /** Called when no further operation will be started. */
  readonly onExhausted: () => void;
}

export interface Load {
  readonly templates: readonly OperationTemplate[];
  /** Operations that fell due so far. */
  readonly planned: number;
  /** Starts no further operation; what is due already counts as planned. Does not call onExhausted. */
  stop(): void;
  setUsers(count: number): void;
}
