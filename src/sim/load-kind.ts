/**
 * What every kind of load is to the rest: how it is checked, described, changed and run. A kind is one file in loads/ and
 * one line in load-kinds.ts. It is data until `run`, which gets everything it acts on.
 */
import type { ArmRun, PhaseOptions, Window } from './arm-run.ts';
import type { QuantityText } from './load-words.ts';
import type { LoadTool } from './pure/load-tool.ts';
import type { OperationTemplate } from './pure/workload.ts';
import type { ArmName, ArmResult, Capacity } from './result.ts';

/** What `--rate` and `--duration` ask for in place of the declared load. */
export interface LoadOverride {
  /** Open arrivals at this rate. */
  readonly ratePerSecond?: number | undefined;
  /** Length of the judged phase. */
  readonly durationMs?: number | undefined;
  /** The generator that plays the rate; null: our own sender. */
  readonly tool: LoadTool | null;
}

/** A phase with another load, and the note that describes it. */
export interface Overridden<L> {
  readonly load: L;
  readonly note?: string;
}

/** The faults of a phase while it runs. */
export interface PhaseFaults {
  /** Some wait for each other and are not over: the load must not end before they are. */
  mustOutlast(): boolean;
}

export interface LoadContext {
  readonly arm: ArmRun;
  /** Of the phase: the same in every arm. */
  readonly seed: number;
  readonly slos: readonly { readonly id: string; readonly objective: string }[];
  /** Where the operations of the arm are recorded. */
  readonly operationsFile: string;
  /** Send lag beyond which a measurement says nothing. */
  readonly lagLimitUs: number;
  /** Population that the named arm was judged under in this run; null when it had none, or has not run. */
  usersOf(arm: ArmName): number | null;
  /** A rate at which `before` was seen outside its SLO in this run; null when unknown. */
  readonly brokenPerSecond: number | null;
  /** A stretch of the phase that counts: under the phase's faults and instruments. */
  measure(options: PhaseOptions, work: (faults: PhaseFaults) => Promise<void>): Promise<Window>;
}

/** What a load found out beside what is in the history. */
export interface LoadOutcome {
  /** Users of the judged stretch. */
  readonly users?: number;
  readonly calibration?: ArmResult['calibration'];
  readonly capacity?: Capacity;
}

export interface LoadKind<L extends { readonly kind: string }> {
  readonly kind: L['kind'];
  /** Every kind of request that it sends. */
  operations(load: L): readonly OperationTemplate[];
  /** The same load with each request changed. */
  mapOperations(load: L, change: (operation: OperationTemplate) => OperationTemplate): L;
  /** What is wrong with it, one clause each, from the data alone. */
  problems(load: L): readonly string[];
  /** For `explain`: one or more whole sentences. */
  words(load: L, text: QuantityText): string;
  /** Planned length; null when it ends by itself. */
  plannedMs(load: L): number | null;
  /** Names of the phases it makes in the history beside the one it is given. */
  readonly ownPhases?: readonly string[];
  /** It is calibrated on PostgreSQL's CPU, so PostgreSQL runs on a core that nothing else uses. */
  readonly needsOwnCore?: true;
  /** It judges what it does by itself: its phase cannot be a judged one. */
  readonly judgesItself?: true;
  /** Absent: its length and rates belong to a script, and cannot be replaced. Null: the phase has no part in such a run. */
  override?(load: L, given: LoadOverride): Overridden<{ readonly kind: string }> | null;
  run(
    context: LoadContext,
    phase: { readonly name: string; readonly note: string; readonly judged: boolean },
    load: L,
  ): Promise<LoadOutcome>;
}
