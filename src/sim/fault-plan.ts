/** Faults as data: what is done, to what, and when. What each kind does is in effects/faults/. */

/** When a fault is applied: a time in the phase, or the first matching event after that time. */
export interface Moment {
  readonly afterMs: number;
  /** The first acknowledged operation of this name, and `lagMs` after its answer. */
  readonly acknowledged?: { readonly operation: string; readonly lagMs: number };
  /** While a COMMIT is on its way to PostgreSQL; needs the link service-postgres. */
  readonly commitInFlight?: boolean;
  /** Applied this long into the phase even if the event has not come: a design may never cause it. */
  readonly latestMs?: number;
}

export interface PlannedFault {
  readonly at: Moment;
  /** Names of faults of this phase that must be over first, however long a slow machine takes for that. */
  readonly after?: readonly string[];
  readonly fault: FaultSpec;
  /** Undone this long after it landed; default at the phase's end. */
  readonly forMs?: number;
  /** An arm-independent id in the history and the report: `redis-partition`. Of many alike, with a number: `redis-kill#12`; a report tells of them together. */
  readonly name: string;
}

/** client-service: to each process of the service. The others: from the service to its store. */
export type LinkName = 'client-service' | 'service-redis' | 'service-postgres';

export type FaultSpec =
  /** Ends a process; undo starts it again on the same port (PostgreSQL: same data; Redis: empty). */
  | {
      readonly kind: 'kill';
      /** `redis`, `postgres`, `postgres-backend` (one, busy if possible), `gateway.2`. */
      readonly target: string;
      readonly signal: 'SIGKILL' | 'SIGTERM';
    }
  /** SIGSTOP; undo is SIGCONT. */
  | { readonly kind: 'pause'; readonly target: string }
  | {
      readonly kind: 'link';
      readonly link: LinkName;
      /** One process of the service, `gateway.2`; default all. */
      readonly instance?: string;
      readonly rule: LinkRule;
    };

/** What a link does while the fault is applied. All choices are drawn from the run's seed. */
export type LinkRule =
  | { readonly kind: 'latency'; readonly meanMs: number; readonly jitterMs: number }
  | { readonly kind: 'bandwidth'; readonly bytesPerSecond: number }
  /** Accepts and swallows everything, in both directions. Nothing is lost to the sender's view: it hangs. */
  | { readonly kind: 'blackhole' }
  /** Open connections are reset, new ones refused. */
  | { readonly kind: 'reset' }
  /** The server's side is closed, the client's stays open and silent. */
  | { readonly kind: 'half-open' }
  /** The request's bytes reach the server, then the connection is cut before the reply: the unknown outcome. */
  | { readonly kind: 'cut-reply'; readonly every: number }
  /** The k-th request (1 = the first after apply) is answered with a protocol error and not forwarded. */
  | { readonly kind: 'fail-request'; readonly k: number };
