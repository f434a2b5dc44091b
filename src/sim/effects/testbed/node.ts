/**
 * The interface of a kind of node: how it is validated, started, reached, signalled, measured and stopped. A kind is one
 * file in nodes/ and one line in node-kinds.ts. Everything it starts is added to the context's undo stack and lease in the
 * same tick.
 */
import type { WorkCounter } from '../../pure/measure/costs.ts';
import type { NodeSpec, Topology } from '../../topology.ts';
import type { ExitNotice } from '../process/child-process.ts';
import type { ControlSignal } from '../process/controlled-process.ts';
import type { Lease } from '../process/lease.ts';
import type { PinPlan } from '../process/pin-plan.ts';
import type { RunUser } from '../process/run-user.ts';
import type { UndoStack } from '../process/undo-stack.ts';
import type { Login } from './stores/credentials.ts';

/** The destination of an edge, for the process at its source. */
export interface Address {
  /** The first or only server. */
  readonly url: string;
  /** Every server of the node: the instances of a process, the masters and replicas of a cluster. */
  readonly urls: readonly string[];
  /** The run's part of the store: a schema (already in the connection's search_path) or a key prefix with its separator; empty for processes. */
  readonly namespace: string;
  /** The same server as each role that the edge names; absent on a server of the operator. */
  readonly logins?: Readonly<Record<string, string>>;
}

/** One process of a node; the name stays the same after a restart. */
export interface Member {
  /** `redis`, `gateway.2`. */
  readonly name: string;
  readonly url: string;
  /** Where its /metrics is; default: at its url. */
  metricsUrl?(): string;
  pid(): number;
  /** Its pid and those of its descendants; empty while it is down. */
  pids(): number[];
  /** Resolves when the signal has taken effect, with the process it hit. */
  signal(signal: ControlSignal): Promise<string>;
  /** Restarts it at the same address: PostgreSQL with its data, Redis empty. */
  restart(): Promise<void>;
  /** True, or the reason why it is not up. Takes a bounded time. */
  probe(): Promise<true | string>;
}

/** Operations that only some kinds support; a fault that needs a missing one is rejected before the start. */
export interface NodeCapabilities {
  /** Signals one backend, a busy one if possible; resolves when the signal has taken effect. */
  readonly signalBackend?: (signal: ControlSignal) => Promise<string>;
  readonly failover?: Failover;
  readonly replication?: Replication;
  readonly endpoints?: Endpoints;
}

export interface Failover {
  /** Kills the primary (or one master); resolves, with a description, when another has taken over. */
  apply(): Promise<string>;
  /** Restarts the killed server as a replica. Idempotent. */
  undo(): Promise<void>;
  probe(): Promise<true | string>;
}

export interface Replication {
  /** How far the standby is behind. */
  lag(): Promise<{ readonly bytes: number; readonly replayUs: number | null }>;
  /** Sets recovery_min_apply_delay; 0 resets it. */
  delay(delayMs: number): Promise<void>;
}

export interface Endpoints {
  readonly names: readonly string[];
  /** Resolves when the behaviour is in force. */
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
  /** Empty for the operator's server, which is never signalled. */
  readonly members: readonly Member[];
  /** As the superuser, where there is one: for the harness. Jobs and processes get another, see logins.ts. */
  readonly address: Address;
  /** By role; absent where the operator's credentials are used, or none. */
  readonly logins?: ReadonlyMap<string, Login>;
  /** Null when its processes are not visible from this machine. */
  readonly pids: (() => number[]) | null;
  /** A `taskset -c` list, `any` when not pinned. */
  readonly cores: string;
  /** Number of cores it may use: all of them busy are 100 % of its CPU. */
  readonly coreCount: number;
  readonly capabilities: NodeCapabilities;
  /** Reads the cumulative work counters; ids without the node's name. Never rejects. */
  readWork(): Promise<readonly WorkCounter[]>;
  /** The node's log of history records, read after the load; times on the machine's monotonic clock. */
  logFile?: string;
}

export interface NodeContext {
  /** Unique per arm and run: names the lease, the schema and the key prefix. */
  readonly runId: string;
  readonly topology: Topology;
  /** The data's seed, for one-shot steps and services. */
  readonly seed: number;
  readonly cores: PinPlan | null;
  /** PATH, DATABASE_URL, REDIS_URL, PLATFORM_CACHE. */
  readonly env: NodeJS.ProcessEnv;
  readonly cache: string;
  /** The account for servers that refuse to run as root. */
  readonly user: RunUser | null;
  readonly lease: Lease;
  readonly undo: UndoStack;
  readonly signal?: AbortSignal | undefined;
  readonly onNote: (text: string) => void;
  /** Called when a process ends unexpectedly. */
  readonly onUnexpectedExit?: ((notice: ExitNotice) => void) | undefined;
  /** Path of a log in the run's log folder. */
  logFile(name: string): string;
  /** A folder with the testbed's lifetime, for files that must survive a process. */
  readonly stateDirectory: string;
  /** Running nodes, among them this one's dependencies: destinations of its edges, and the primary of a standby. */
  readonly started: ReadonlyMap<string, RunningNode>;
  /** Addresses of the edges that leave one process of this node, by the edge's `as`. */
  addressesOf(member: string): Readonly<Record<string, Address>>;
  /** Points every proxied edge to the node at another server, after a failover. */
  retarget(node: string, url: string): Promise<void>;
}

export interface NodeKind<Spec extends NodeSpec = NodeSpec> {
  readonly kind: Spec['kind'];
  /** Problems of the node's data, one clause each; empty if it is valid. */
  problems(name: string, spec: Spec, topology: Topology): readonly string[];
  /** Names of its processes, for faults. */
  members(name: string, spec: Spec): readonly string[];
  /** For `explain`: `PostgreSQL, standby of postgres`. */
  describe(name: string, spec: Spec): string;
  /** Resolves when it is ready; on failure the undo stack removes everything it started. */
  start(name: string, spec: Spec, context: NodeContext): Promise<RunningNode>;
}
