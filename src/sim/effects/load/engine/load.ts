/** What the kinds of workload have in common, seen from the generator. */
import type { AccountGroups } from '../../../pure/account-walk.ts';
import type { OperationTemplate } from '../../../pure/workload.ts';
import type { Clock } from './monotonic-clock.ts';

/** Starts one operation now; `onDone` follows exactly once. */
export type StartOperation = (planned: {
  readonly scheduledUs: number;
  /**
   * Of the actor: place of the planned account among those that may act, plus their number for every round the
   * plan has made over them. So a list that has grown longer than the accounts is still walked evenly.
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
  /** Credentials a sweep goes over. */
  readonly swept: number;
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
