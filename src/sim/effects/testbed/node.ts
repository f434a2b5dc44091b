/**
 * What every kind of node is to the testbed: how it is checked, started, reached, signalled, measured and stopped. A kind
 * is one file in nodes/ and one line in node-kinds.ts. Everything it starts goes on the context's undo stack and into its
 * lease in the same tick.
 */
import type { WorkCounter } from '../../pure/costs.ts';
import type { NodeSpec, Topology } from '../../topology.ts';
import type { DeathNotice } from '../process/child-process.ts';
import type { ControlSignal } from '../process/controlled-process.ts';
import type { Lease } from '../process/lease.ts';
import type { PinPlan } from '../process/pin-plan.ts';
import type { RunUser } from '../process/run-user.ts';
import type { Undo } from '../process/undo.ts';

/** Where an edge leads, as the process at its near end sees it. */
export interface Address {
  /** The first or only server. */
  readonly url: string;
  /** Every server of the node: the instances of a process, the masters and replicas of a cluster. */
  readonly urls: readonly string[];
  /** What of the store belongs to this run: a schema (already the connection's search_path), a key prefix with its separator; empty for processes. */
  readonly namespace: string;
}

/** One process of a node under a name that outlives it. */
export interface Member {
  /** `redis`, `gateway.2`. */
  readonly name: string;
  readonly url: string;
  pid(): number;
  /** Its own pid and those of its children now; empty while it is down. */
  pids(): number[];
  /** Resolves when the signal has taken effect; tells which process it hit. */
  signal(signal: ControlSignal): Promise<string>;
  /** Starts it again at the same address: PostgreSQL on its data, Redis empty. */
  restart(): Promise<void>;
  /** True, or why it cannot be said to be up. Bounded. */
  probe(): Promise<true | string>;
}

/** What some kinds can do beside their processes; a fault that needs one that is missing is refused before the start. */
export interface NodeCapabilities {
  /** Signals one of the server's own workers, a busy one if possible; resolves when it has taken effect. */
  readonly strikeBackend?: (signal: ControlSignal) => Promise<string>;
  readonly failover?: Failover;
  readonly replication?: Replication;
  readonly endpoints?: Endpoints;
}

export interface Failover {
  /** Ends the primary (or one master) and resolves, with what was done, when another has taken over. */
  apply(): Promise<string>;
  /** Brings the ended server back as a replica. Idempotent. */
  undo(): Promise<void>;
  probe(): Promise<true | string>;
}

export interface Replication {
  /** How far the standby is behind. */
  lag(): Promise<{ readonly bytes: number; readonly replayUs: number | null }>;
  /** Replays each change this much later; 0 ends it. */
  delay(delayMs: number): Promise<void>;
}

export interface Endpoints {
  readonly names: readonly string[];
  /** Resolves when the receiver behaves so. */
  set(names: readonly string[], behaviour: Readonly<Record<string, unknown>>): Promise<void>;
  /** Back to the declared behaviour. */
  reset(names: readonly string[]): Promise<void>;
  behaviourOf(name: string): Promise<string>;
}

/** A node that is up. */
export interface RunningNode {
  readonly name: string;
  readonly kind: string;
  readonly region: string;
  /** `PostgreSQL 18.4`, `Redis 7.0.15`; null where there is none. */
  readonly version: string | null;
  /** Empty for a server of the operator's: it cannot be signalled. */
  readonly members: readonly Member[];
  readonly address: Address;
  /** Null when its processes cannot be seen from here. */
  readonly pids: (() => number[]) | null;
  /** A `taskset -c` list, `any` when not pinned. */
  readonly cores: string;
  /** How many cores it may fill: what 100 % of it means. */
  readonly coreCount: number;
  readonly capabilities: NodeCapabilities;
  /** Work done so far; ids without the node's name. Never rejects. */
  work(): Promise<readonly WorkCounter[]>;
  /** Records of the node's own log for the history, read after the load; times on the machine's monotonic clock. */
  logFile?: string;
}

export interface NodeContext {
  /** Unique per arm and run: names the lease, the schema and the key prefix. */
  readonly runId: string;
  readonly topology: Topology;
  /** Of the data: one-shot steps and services draw from it. */
  readonly seed: number;
  readonly cores: PinPlan | null;
  /** PATH, DATABASE_URL, REDIS_URL, PLATFORM_CACHE. */
  readonly env: NodeJS.ProcessEnv;
  readonly cache: string;
  /** Whom servers that refuse root run as. */
  readonly user: RunUser | null;
  readonly lease: Lease;
  readonly undo: Undo;
  readonly signal?: AbortSignal | undefined;
  readonly onNote: (text: string) => void;
  /** Called when a process ends that nobody stopped. */
  readonly onDeath?: ((notice: DeathNotice) => void) | undefined;
  /** Path of a log in the run's log folder. */
  logFile(name: string): string;
  /** A folder that lives as long as the testbed, for what must survive a process and is in no store. */
  readonly stateDirectory: string;
  /** Nodes this one depends on are here: those its edges lead to, and the primary of a standby. */
  readonly started: ReadonlyMap<string, RunningNode>;
  /** Addresses of the edges that leave one process of this node, by the edge's `as`. */
  addressesOf(member: string): Readonly<Record<string, Address>>;
  /** Points every proxied edge to this node at another server, after a failover. */
  retarget(node: string, url: string): Promise<void>;
}

export interface NodeKind<Spec extends NodeSpec = NodeSpec> {
  readonly kind: Spec['kind'];
  /** What is wrong with the node, one clause each, from the data alone. */
  problems(name: string, spec: Spec, topology: Topology): readonly string[];
  /** Names of its processes, as faults use them. */
  members(name: string, spec: Spec): readonly string[];
  /** For `explain`: `PostgreSQL, standby of postgres`. */
  words(name: string, spec: Spec): string;
  /** Resolves when it is ready; on failure nothing of it is left. */
  start(name: string, spec: Spec, context: NodeContext): Promise<RunningNode>;
}
