/**
 * A scenario as data: designs, phases of load and faults, SLOs, invariants and the expected verdict of each design. The
 * engine starts what the topology names and knows nothing about the services.
 */
import type { PlannedFault } from './fault-plan.ts';
import type { HistoryRecord } from './history.ts';
import type { Load } from './load-kinds.ts';
import type { CheckResult } from './pure/judge/check-result.ts';
import type { ArmName, PlantedDefects, Verdict } from './result.ts';
import type { ModuleStep, Target, Topology } from './topology.ts';

export interface Arm {
  /** Name of the design, `turn4.before`. */
  readonly design: string;
  readonly description: string;
  /** `fail` for a design that is expected to break its SLOs. */
  readonly expected: Verdict;
  /** SLO and invariant ids that must fail. Besides `mayFail` no other may. Empty where `pass` is expected. */
  readonly mustFail: readonly string[];
  /** Further ids that may fail as a consequence; default none. */
  readonly mayFail?: readonly string[];
  readonly topology: Topology;
  /** In order; arms may differ in them. */
  readonly phases: readonly Phase[];
}

/** An arm whose faults name nodes, processes and edges of its own topology. */
export interface ArmOn<Node extends string> extends Omit<Arm, 'topology' | 'phases'> {
  readonly topology: Topology<Node>;
  readonly phases: readonly Phase<Target<NoInfer<Node>>>[];
}

export type PhaseRole = 'warm-up' | 'baseline' | 'load' | 'fault' | 'heal' | 'liveness';

/** A stretch of load with its faults. */
export interface Phase<Name extends string = string> {
  readonly name: string;
  /** `baseline` is what relative SLOs and recovery refer to; `liveness` must be healthy again. */
  readonly role: PhaseRole;
  /** Its purpose, one short sentence in lower case. */
  readonly note: string;
  /** Its operations count for the SLOs. */
  readonly judged: boolean;
  readonly load: Load;
  /** Applied during the phase. Every undo is proven before the phase ends. */
  readonly faults?: readonly PlannedFault<Name>[];
}

export interface Slo {
  readonly id: string;
  /** `latency.p99 < 500ms`, `errors < 0.1%`; compared with an earlier arm, `latency.p50 < before + 10ms`; all forms: pure/judge/slo.ts. */
  readonly objective: string;
  /** Replaces `objective` under --quick, for a difference that shorter phases cannot resolve; the scale note says so. */
  readonly quickObjective?: string;
  /** Names of the measured operations; default all. */
  readonly operations?: readonly string[];
  /** Phases whose operations are measured; default the judged ones. */
  readonly phases?: readonly string[];
  /** The phase that an objective like `latency.p99 <= 1.2x` is measured against. */
  readonly baseline?: string;
}

/** A figure of the incident report, and the range in which a run counts as reproducing it. */
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
  /** Defects that the checker catches in its tests, for the report. */
  readonly planted?: PlantedDefects;
  /** It judges what processes hold at rest, which takes a second to read. */
  readonly needsRest?: true;
  /** What it counts follows from when requests came: beside other processes on the machine a violation is unknown. */
  readonly dependsOnArrivals?: true;
  check(history: readonly HistoryRecord[]): CheckResult;
}

/** A service has recovered when 99 % of operations are answered within `slowMs` for a continuous `stableMs`. */
export interface Tolerance {
  readonly slowMs: number;
  readonly stableMs: number;
}

/** Diagnosis of a slow design in one phase. */
export interface DiagnosisSpec {
  /** Substring of the statement that the incident report blames; a `before` that never ran it reproduced nothing. */
  readonly culprit: string;
  /** Names of the service's own metrics that are read (histograms in seconds). */
  readonly metrics: { readonly poolWait: string; readonly eventLoopDelay: string };
  /** The phase that is observed. */
  readonly phase: string;
}

/** A scenario's content at one scale and seed. */
export interface Declaration {
  readonly arms: Readonly<Partial<Record<ArmName, Arm>>>;
  readonly slos: readonly Slo[];
  /** Ids must be the same at both scales; parameters may differ, such as a window of 60 s. */
  readonly invariants: readonly Invariant[];
  /** Compared with the arms that are expected to fail; default none. */
  readonly documented?: readonly Documented[];
  readonly tolerance?: Tolerance;
  /** An operation that takes longer has an unknown outcome; default 1,500. Longer than any documented latency. */
  readonly timeoutMs?: number;
  readonly diagnosis?: DiagnosisSpec;
  /** The phase in which work per operation is counted; a phase without faults. */
  readonly costPhase?: string;
  /** One-shot process after the arms, on stores of its own, that writes a Comparison as JSON to `outFile`. */
  readonly comparison?: ModuleStep;
  /** What --quick reduces; empty for the full scale. */
  readonly scaleNote: string;
}

export interface DeclareOptions {
  /** About a third of the scale. */
  readonly quick: boolean;
  /** Faults may be drawn from it; their number and names must not depend on it. */
  readonly seed: number;
}

export interface Scenario {
  readonly id: string;
  readonly turn: number;
  readonly title: string;
  readonly question: string;
  readonly situation: string;
  /** Called by plan/resolve.ts only. */
  declare(options: DeclareOptions): Declaration;
}
