/** What a testbed is asked for, and what it is while it stands. */
import type { JobSpec, Topology } from '../../topology.ts';
import type { FaultTargets } from '../faults/fault.ts';
import type { DeathNotice } from '../process/child-process.ts';
import type { Lease } from '../process/lease.ts';
import type { PinPlan } from '../process/pin-plan.ts';
import type { RunningNode } from './node.ts';

export interface TestbedOptions {
  /** Unique per arm and run: names the lease, the schema and the key prefix. */
  readonly runId: string;
  /** Logs of this testbed's processes go here; made if need be. Default: in the lease's folder, gone with it. */
  readonly logFolder?: string;
  /** Checked already: check-topology.ts. */
  readonly topology: Topology;
  /** Of the data: the one-shot steps and the services draw from it. */
  readonly seed: number;
  /** Of the choices the edges make; default `seed`. */
  readonly faultSeed?: number;
  readonly cores: PinPlan | null;
  readonly onNote: (text: string) => void;
  /** Called when a process of the testbed ends that nobody stopped. */
  readonly onDeath?: (notice: DeathNotice) => void;
  readonly signal?: AbortSignal;
  /** PATH, DATABASE_URL, REDIS_URL, PLATFORM_CACHE. Default: process.env. */
  readonly env?: NodeJS.ProcessEnv;
}

/** What operations are sent to. */
export interface LoadTarget {
  readonly name: string;
  readonly url: string;
}

export interface Testbed extends FaultTargets {
  readonly topology: Topology;
  /** In the order of the topology. */
  readonly nodes: ReadonlyMap<string, RunningNode>;
  /** One per process at the far end of the client's edges. */
  readonly targets: readonly LoadTarget[];
  readonly accountsFile: string;
  /** Process ids by node, read anew at each call. Servers that we cannot see are absent. */
  readonly pids: Readonly<Record<string, () => number[]>>;
  /** `taskset -c` list by node, `any` when not pinned. */
  readonly cores: Readonly<Record<string, string>>;
  /** What must survive a process and is in no store; gone with the testbed. */
  readonly stateDirectory: string;
  /** For further children of this arm, such as the sender. They must be stopped before the testbed. */
  readonly lease: Lease;
  /** Path of a log in the log folder. */
  logFile(name: string): string;
  /** Runs the job of a role to its end; `params` are added to its own. False where the topology has none. */
  runJob(role: JobSpec['role'], params?: Readonly<Record<string, unknown>>): Promise<boolean>;
  /** Stops everything and proves it: processes gone, ports closed, folders and schema removed. Idempotent. */
  stop(): Promise<void>;
}
