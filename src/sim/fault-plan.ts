/** Faults as data: what is done, to what, and when. What each kind does, and its data, is in effects/faults/kinds/. */
import type { EndpointSpec } from './effects/faults/kinds/endpoint.ts';
import type { FailoverSpec } from './effects/faults/kinds/failover.ts';
import type { KillSpec } from './effects/faults/kinds/kill.ts';
import type { KillBackendSpec } from './effects/faults/kinds/kill-backend.ts';
import type { LinkSpec } from './effects/faults/kinds/link.ts';
import type { PauseSpec } from './effects/faults/kinds/pause.ts';
import type { ReplicationDelaySpec } from './effects/faults/kinds/replication-delay.ts';

/** When a fault is applied: a time in the phase, or the first matching event after that time. */
export interface FaultTrigger {
  readonly afterMs: number;
  /** The first acknowledged operation of this name, and `lagMs` after its answer. */
  readonly acknowledged?: { readonly operation: string; readonly lagMs: number };
  /** While a COMMIT is on its way to PostgreSQL; needs a proxied edge to one. */
  readonly commitInFlight?: boolean;
  /** Applied this long into the phase even if the event has not come: a design may never cause it. */
  readonly latestMs?: number;
}

/** `Target`: the names of the topology (TargetOf), so that another one does not compile. */
export interface PlannedFault<Target extends string = string> {
  readonly at: FaultTrigger;
  /** Names of faults of this phase that must be over first, however long a slow machine takes for that. */
  readonly after?: readonly string[];
  readonly fault: FaultSpec<Target>;
  /** Undone this long after it landed; default at the phase's end. */
  readonly forMs?: number;
  /** An arm-independent id in the history and the report: `redis-partition`. Of many alike, with a number: `redis-kill#12`; a report tells of them together. */
  readonly name: string;
}

/** Open for kinds that are registered from outside; see FAULT_KINDS. */
export interface OtherFaultSpec<Target extends string = string> {
  readonly kind: `x-${string}`;
  readonly target: Target;
  readonly [option: string]: unknown;
}

export type FaultSpec<Target extends string = string> =
  | KillSpec<Target>
  | PauseSpec<Target>
  | KillBackendSpec<Target>
  | LinkSpec<Target>
  | FailoverSpec<Target>
  | ReplicationDelaySpec<Target>
  | EndpointSpec<Target>
  | OtherFaultSpec<Target>;
