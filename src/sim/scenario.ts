/**
 * A scenario as data: designs, workload, SLOs, invariants and the verdict each design is expected to get.
 * The engine launches whatever `ProcessSpec` names and knows nothing of what runs inside.
 */
import type { HistoryRecord } from './history.ts';
import type { OperationTemplate, Workload } from './pure/workload.ts';
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
  /** Processes of the service, named `<name>.1`, `<name>.2`...; with 1 (the default) plain `<name>`. */
  readonly instances?: number;
  /** Links that carry a fault in this scenario: they go through the fault proxy, the others are direct. */
  readonly links?: readonly LinkName[];
}

export interface Arm {
  /** Name of the design, `turn4.before`. */
  readonly design: string;
  readonly description: string;
  /** `fail` for a design that is expected to break its SLOs. */
  readonly expected: Verdict;
  /** SLO and invariant ids that must fail, and the only ones that may but for `mayFail`. Empty where `pass` is expected. */
  readonly mustFail: readonly string[];
  /** Ids that a design expected to fail may break beside those, as a consequence; default none. */
  readonly mayFail?: readonly string[];
  readonly testbed: TestbedSpec;
}

export interface Slo {
  readonly id: string;
  /** `latency.p99 < 500ms`, `errors < 0.1%`; compared with an earlier arm, `latency.p50 < before + 10ms`; all forms: pure/slo.ts. */
  readonly objective: string;
  /** Judged under --quick instead, where the shorter phases could not tell the difference; the scale note says so. */
  readonly quickObjective?: string;
  /** Only operations with these names; default all. */
  readonly operations?: readonly string[];
  /** Only operations scheduled in these phases; default the judged ones. */
  readonly phases?: readonly string[];
  /** The phase that an objective like `latency.p99 <= 1.2x` is measured against. */
  readonly baseline?: string;
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
  /**
   * The population is corrected every `periodMs`: by the CPU per operation, which is forgotten over `memoryMs`, and
   * by the integral of the distance to the target, with `gainPerSecond`.
   */
  readonly hold: {
    readonly periodMs: number;
    readonly memoryMs: number;
    readonly gainPerSecond: number;
  };
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Judged phase of the other arms under the same population. */
  readonly sameLoadMs: number;
}

/**
 * Rising load for the arm that should hold: open arrivals, step by step until an SLO breaks. It begins where the arm
 * surely holds, after a warm-up at that rate that is not judged.
 */
export interface RisingLoad {
  readonly arms: readonly ArmName[];
  readonly warmUpMs: number;
  readonly startPerSecond: number;
  readonly factor: number;
  readonly maxPerSecond: number;
  /** At least; a step goes on until its latency SLOs have their samples. */
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

/** What every scenario has, whatever happens in its run. */
interface ScenarioBase {
  readonly id: string;
  readonly turn: number;
  readonly title: string;
  readonly question: string;
  readonly situation: string;
  arms(options: { quick: boolean; seed: number }): Readonly<Partial<Record<ArmName, Arm>>>;
  readonly slos: readonly Slo[];
  /** A function where the scale changes what is checked: a window of 60 s is 2 s under --quick. The ids are the same. */
  readonly invariants: readonly Invariant[] | ((quick: boolean) => readonly Invariant[]);
  /** Reads the platform's own record of what happened, after the load, as effects. */
  readonly effects: ProcessSpec;
  /** One-shot after the arms, on stores of its own, that writes a Comparison as JSON to `outFile`. */
  readonly comparison?: ProcessSpec;
}

/** A documented incident: the load is calibrated until its figures show, then the other arms carry the same. */
export interface IncidentScenario extends ScenarioBase {
  readonly kind: 'incident';
  readonly operations: readonly OperationTemplate[];
  scale(quick: boolean): Scale;
  /** Substring of the statement the documented failure is about: the diagnosis looks for it, and a `before` that never ran it reproduced nothing. */
  readonly culprit: string;
  /** Names of the service's own metrics that the diagnosis reads (histogram in seconds; gauge in seconds). */
  readonly metrics: { readonly poolWait: string; readonly eventLoopDelay: string };
}

/** A drill: the same scripted load and faults for every arm, phase by phase. */
export interface DrillScenario extends ScenarioBase {
  readonly kind: 'drill';
  /** Faults may be drawn from the seed of the run; their number and names must not depend on it. */
  drill(quick: boolean, seed?: number): Drill;
  /** The phase in which work per operation is counted; nothing fails in it. */
  readonly costPhase: string;
}

/** When a service counts as recovered: 99 % of operations answered within `slowMs`, for `stayMs` on end. */
export interface Tolerance {
  readonly slowMs: number;
  readonly stayMs: number;
}

export interface Drill {
  readonly phases: readonly DrillPhase[];
  readonly tolerance: Tolerance;
  /** What takes longer has an unknown outcome; default 1,500. */
  readonly timeoutMs?: number;
  /** Says what --quick reduces; empty for the full scale. */
  readonly note: string;
}

export interface DrillPhase {
  readonly name: string;
  /** `baseline` is what relative SLOs and recovery refer to; `liveness` must be healthy again. */
  readonly role: 'warm-up' | 'baseline' | 'load' | 'fault' | 'heal' | 'liveness';
  /** What it is for, one short sentence in lower case. */
  readonly note: string;
  readonly judged: boolean;
  readonly workload: Workload;
  /** Applied during the phase; what is not undone by then is undone, and proven so, before the phase ends. */
  readonly faults?: readonly PlannedFault[];
}

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

export type Scenario = IncidentScenario | DrillScenario;

/** Every kind of request the scenario makes, each once. */
export function operationsOf(scenario: Scenario): readonly OperationTemplate[] {
  if (scenario.kind === 'incident') return scenario.operations;
  const all = scenario.drill(false).phases.flatMap(({ workload }) => workload.operations);
  return [...new Map(all.map((operation) => [operation.name, operation])).values()];
}

/** What --quick reduces, in words; empty for the full scale. */
export function scaleNote(scenario: Scenario, quick: boolean): string {
  return scenario.kind === 'incident' ? scenario.scale(quick).note : scenario.drill(quick).note;
}

export function invariantsOf({ invariants }: Scenario, quick: boolean): readonly Invariant[] {
  return typeof invariants === 'function' ? invariants(quick) : invariants;
}

/** The objectives of a run: some are coarser under --quick. */
export function slosOf({ slos }: Scenario, quick: boolean): readonly Slo[] {
  return slos.map((slo) =>
    quick && slo.quickObjective !== undefined ? { ...slo, objective: slo.quickObjective } : slo,
  );
}
