/** Options and interface of a testbed. */
import type { JobSpec, Topology } from '../../topology.ts';
import type { FaultTargets } from '../faults/fault.ts';
import type { ExitNotice } from '../process/child-process.ts';
import type { Lease } from '../process/lease.ts';
import type { PinPlan } from '../process/pin-plan.ts';
import type { RunningNode } from './node.ts';

export interface TestbedOptions {
  /** Unique per arm and run: names the lease, the schema and the key prefix. */
  readonly runId: string;
  /** Folder of the processes' logs, created if missing. Default: in the lease's folder, removed with it. */
  readonly logFolder?: string;
  /** Must have passed topologyProblems (check-topology.ts). */
  readonly topology: Topology;
  /** The data's seed, for the one-shot steps and the services. */
  readonly seed: number;
  /** Seed of the fault proxy's decisions; default `seed`. */
  readonly faultSeed?: number;
  readonly cores: PinPlan | null;
  readonly onNote: (text: string) => void;
  /** Called when a process of the testbed ends unexpectedly. */
  readonly onUnexpectedExit?: (notice: ExitNotice) => void;
  readonly signal?: AbortSignal;
  /** PATH, DATABASE_URL, REDIS_URL, PLATFORM_CACHE. Default: process.env. */
  readonly env?: NodeJS.ProcessEnv;
}

/** A target of operations. */
export interface LoadTarget {
  readonly name: string;
  readonly url: string;
}

export interface Testbed extends FaultTargets {
  readonly topology: Topology;
  /** In the order of the topology. */
  readonly nodes: ReadonlyMap<string, RunningNode>;
  /** One for each process at the destination of the client's edges. */
  readonly targets: readonly LoadTarget[];
  readonly accountsFile: string;
  /** Process ids by node, read at each call. Nodes without visible processes are absent. */
  readonly pids: Readonly<Record<string, () => number[]>>;
  /** `taskset -c` list by node, `any` when not pinned. */
  readonly cores: Readonly<Record<string, string>>;
  /** For files that must survive a process; removed with the testbed. */
  readonly stateDirectory: string;
  /** For further children of this arm, such as the sender. They must be stopped before the testbed. */
  readonly lease: Lease;
  /** Path of a log in the log folder. */
  logFile(name: string): string;
  /** Runs the role's job to its end; `params` are added to its own. False when the topology has none. */
  runJob(role: JobSpec['role'], params?: Readonly<Record<string, unknown>>): Promise<boolean>;
  /** Stops everything and checks it: processes ended, ports closed, folders and schema removed. Idempotent. */
  stop(): Promise<void>;
}
