/** Planned faults as data: kind, target and trigger. effects/faults/kinds/ implements each kind. */
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
  /** `lagMs` after the first acknowledged operation of this name. */
  readonly acknowledged?: { readonly operation: string; readonly lagMs: number };
  /** While a COMMIT is in flight to PostgreSQL; needs a proxied edge to it. */
  readonly commitInFlight?: boolean;
  /** Applied at this time in the phase if the event has not come: a design may never cause it. */
  readonly latestMs?: number;
}

/** What shows that the service noticed a fault. */
export interface NoticedBy {
  /** In its /metrics: `session_fallbacks_total`, `decisions_total{mode="share"}`. Each must grow by at least 1. */
  readonly metrics: readonly string[];
  /** In every process that ran all the time, or in at least one. */
  readonly processes: 'every' | 'one';
  /** Names of the designs that must notice it; default all. */
  readonly designs?: readonly string[];
}

/** `Target`: names of the topology, so that an unknown one does not compile. */
export interface PlannedFault<Target extends string = string> {
  readonly at: FaultTrigger;
  /** Names of faults of this phase that must end first. */
  readonly after?: readonly string[];
  readonly fault: FaultSpec<Target>;
  /** Undone this long after it landed; default: at the phase's end. */
  readonly forMs?: number;
  /** The fault has not landed unless the service noticed it. */
  readonly noticed?: readonly NoticedBy[];
  /** Id in the history and the report, the same in every arm: `redis-partition`. Repeated faults are numbered, `redis-kill#12`, and reported as one family. */
  readonly name: string;
}

/** Data of registered kinds; see FAULT_KINDS. */
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
