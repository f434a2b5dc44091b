/**
 * Interface of a load kind: how a load is validated, described, overridden and run. A kind is one file in loads/ and one
 * line in load-kinds.ts. Everything but `run` is pure.
 */

import type { QuantityText } from './loads/describe-mix.ts';
import type { SearchStep } from './pure/judge/measurements.ts';
import type { LoadTool } from './pure/load/load-tool.ts';
import type { OperationTemplate } from './pure/load/workload.ts';
import type { ArmName, ArmResult } from './result.ts';
import type { ArmSession, MeasuredWindow, PhaseOptions } from './run/arm-session.ts';

/** Values of `--rate`, `--duration` and `--load`. */
export interface LoadOverride {
  /** Open arrivals at this rate. */
  readonly ratePerSecond?: number | undefined;
  /** Length of the judged phase. */
  readonly durationMs?: number | undefined;
  /** The generator that plays the rate; null: our own sender. */
  readonly tool: LoadTool | null;
}

/** Replacement of a phase's load, and of its note. */
export interface LoadReplacement<L> {
  readonly load: L;
  readonly note?: string;
}

/** The faults of a phase while it runs. */
export interface PhaseFaults {
  /** Faults that wait for each other have not ended: the load must continue until they have. */
  isPending(): boolean;
}

export interface LoadContext {
  readonly session: ArmSession;
  /** Of the phase: the same in every arm. */
  readonly seed: number;
  readonly slos: readonly { readonly id: string; readonly objective: string }[];
  /** NDJSON file with the arm's operations. */
  readonly operationsFile: string;
  /** A larger send lag voids a measurement. */
  readonly lagLimitUs: number;
  /** Population of an arm's judged phase in this run; null when it had none or has not run. */
  populationOf(arm: ArmName): number | null;
  /** Runs `work` under the phase's faults and instruments and measures it. */
  measure(
    options: PhaseOptions,
    work: (faults: PhaseFaults) => Promise<void>,
  ): Promise<MeasuredWindow>;
}

/** Findings of a load that are not in the history. */
export interface LoadOutcome {
  /** Users of the judged phase. */
  readonly users?: number;
  readonly calibration?: ArmResult['calibration'];
  /** Steps of a capacity search. */
  readonly search?: readonly SearchStep[];
}

export interface LoadKind<L extends { readonly kind: string }> {
  readonly kind: L['kind'];
  /** Every kind of request that it sends. */
  operations(load: L): readonly OperationTemplate[];
  /** The same load with each request changed. */
  mapOperations(load: L, change: (operation: OperationTemplate) => OperationTemplate): L;
  /** Problems of its data, one clause each. Pure. */
  problems(load: L): readonly string[];
  /** For `explain`: one or more whole sentences. */
  describe(load: L, text: QuantityText): string;
  /** Planned length; null when it ends by itself. */
  plannedMs(load: L): number | null;
  /** Names of further phases that it adds to the history. */
  readonly extraPhases?: readonly string[];
  /** It is calibrated on PostgreSQL's CPU, so PostgreSQL gets a core of its own. */
  readonly needsOwnCore?: true;
  /** It judges its own steps: its phase cannot be a judged one. */
  readonly judgesItself?: true;
  /** Absent: the load cannot be replaced. Null: the phase is dropped. */
  override?(load: L, given: LoadOverride): LoadReplacement<{ readonly kind: string }> | null;
  run(
    context: LoadContext,
    phase: { readonly name: string; readonly note: string; readonly judged: boolean },
    load: L,
  ): Promise<LoadOutcome>;
}
