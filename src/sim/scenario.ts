/**
 * A scenario as data: designs, workload, SLOs, invariants and the verdict each design is expected to get.
 * The engine launches whatever `ProcessSpec` names and knows nothing of what runs inside.
 */
import type { HistoryRecord } from './history.ts';
import type { OperationTemplate } from './pure/workload.ts';
import type { ArmName, InvariantResult, Verdict } from './result.ts';

/** A Node module of the platform, run as a child process. It gets a ProcessConfig and follows process-contract.ts. */
export interface ProcessSpec {
  readonly name: string;
  /** Compiled module, relative to the package's dist/: `services/gateway/main.js`. */
  readonly module: string;
  /** Passed through as ProcessConfig.params. */
  readonly params?: Readonly<Record<string, unknown>>;
}

export interface TestbedSpec {
  readonly postgres: {
    /** postgresql.conf settings, for instance shared_buffers. */
    readonly settings: Readonly<Record<string, string>>;
    /** One-shot steps that build the data; run once per machine into a reusable data directory. */
    readonly template: readonly ProcessSpec[];
  };
  /** One-shot step per run that makes the accounts the load acts as (ProcessConfig.params.outFile). */
  readonly accounts: ProcessSpec;
  readonly service: ProcessSpec;
}

export interface Arm {
  /** Name of the design, `turn4.before`. */
  readonly design: string;
  readonly description: string;
  /** `fail` for a design that is expected to break its SLOs. */
  readonly expected: Verdict;
  /** SLO and invariant ids that must fail, and the only ones that may. Empty where `pass` is expected. */
  readonly mustFail: readonly string[];
  readonly testbed: TestbedSpec;
}

export interface Slo {
  readonly id: string;
  /** `latency.p99 < 500ms`, `latency.mean <= 200ms`, `errors < 0.1%`. */
  readonly objective: string;
}

/** What the incident report says, and how far a run may be from it and still count as the same incident. */
export interface Documented {
  readonly id: string;
  readonly label: string;
  readonly indicator: 'latency.mean' | 'latency.p99' | 'cpu.postgres';
  /** In `unit`. */
  readonly value: number;
  readonly unit: 'us' | 'percent';
  readonly low: number;
  readonly high: number;
}

/** Decides an invariant from the history alone. */
export interface Invariant {
  readonly id: string;
  readonly statement: string;
  check(history: readonly HistoryRecord[]): Omit<InvariantResult, 'id' | 'statement'>;
}

/** The load of the incident: a finite population, held at the size that keeps a resource at a target. */
export interface CalibratedUsers {
  readonly think: { readonly meanMs: number; readonly shape: number };
  /** Where PostgreSQL's CPU should settle, percent of the cores it was given, and the tolerated band. */
  readonly cpuPercent: { readonly target: number; readonly low: number; readonly high: number };
  /** Documented mean response, used to size the population from the probed service time. */
  readonly expectedMeanMs: number;
  /** Service time the documented figures imply; sizes the population where nothing can be probed. */
  readonly nominalServiceMs: number;
  /** Open arrivals that measure the service time of this machine, far below saturation. */
  readonly probe: { readonly ratePerSecond: number; readonly durationMs: number };
  readonly minUsers: number;
  readonly maxUsers: number;
  /** The population is corrected every `periodMs` from what was seen, which is forgotten over `memoryMs`. */
  readonly hold: { readonly periodMs: number; readonly memoryMs: number };
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Judged phase of the other arms under the same population. */
  readonly sameLoadMs: number;
}

/** Rising load for the arm that should hold: open arrivals, step by step until an SLO breaks. */
export interface RisingLoad {
  readonly arms: readonly ArmName[];
  readonly startPerSecond: number;
  readonly factor: number;
  readonly maxPerSecond: number;
  readonly stepMs: number;
}

/** Everything that --quick changes, as data. */
export interface Scale {
  readonly users: CalibratedUsers;
  readonly rising: RisingLoad;
  readonly documented: readonly Documented[];
  /** Says what is reduced; empty for the full scale. */
  readonly note: string;
}

export interface Scenario {
  readonly id: string;
  readonly turn: number;
  readonly title: string;
  readonly question: string;
  readonly situation: string;
  readonly operations: readonly OperationTemplate[];
  arms(options: { quick: boolean; seed: number }): Readonly<Partial<Record<ArmName, Arm>>>;
  scale(quick: boolean): Scale;
  readonly slos: readonly Slo[];
  readonly invariants: readonly Invariant[];
  /** Substring of the statement the documented failure is about: the diagnosis looks for it, and a `before` that never ran it reproduced nothing. */
  readonly culprit: string;
  /** Names of the service's own metrics that the diagnosis reads (histogram in seconds; gauge in seconds). */
  readonly metrics: { readonly poolWait: string; readonly eventLoopDelay: string };
  /** Reads the platform's own record of what happened, after the load, as effects. */
  readonly effects: ProcessSpec;
}
