/**
 * A scenario as data: designs, phases of load and faults, SLOs, invariants and the verdict each design is expected to
 * get. The engine starts whatever the topology names and knows nothing of what runs inside.
 */
import type { PlannedFault } from './fault-plan.ts';
import type { HistoryRecord } from './history.ts';
import type { Load } from './load-kinds.ts';
import type { ArmName, InvariantResult, Verdict } from './result.ts';
import type { ModuleStep, Target, Topology } from './topology.ts';

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
  /** What it is for, one short sentence in lower case. */
  readonly note: string;
  /** Its operations count for the SLOs. */
  readonly judged: boolean;
  readonly load: Load;
  /** Applied during the phase; what is not undone by then is undone, and proven so, before the phase ends. */
  readonly faults?: readonly PlannedFault<Name>[];
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

/** When a service counts as recovered: 99 % of operations answered within `slowMs`, for `stayMs` on end. */
export interface Tolerance {
  readonly slowMs: number;
  readonly stayMs: number;
}

/** What is looked at in one phase to find why a design is slow. */
export interface DiagnosisSpec {
  /** Substring of the statement the documented failure is about: a `before` that never ran it reproduced nothing. */
  readonly culprit: string;
  /** Names of the service's own metrics that are read (histogram in seconds; gauge in seconds). */
  readonly metrics: { readonly poolWait: string; readonly eventLoopDelay: string };
  /** The phase that is observed. */
  readonly phase: string;
}

/** What happens in a run at one scale, under one seed. */
export interface Declaration {
  readonly arms: Readonly<Partial<Record<ArmName, Arm>>>;
  readonly slos: readonly Slo[];
  /** Their ids are the same at both scales; what they check may scale, as a window of 60 s does. */
  readonly invariants: readonly Invariant[];
  /** Compared with what an arm that is expected to fail shows; default none. */
  readonly documented?: readonly Documented[];
  readonly tolerance?: Tolerance;
  /** What takes longer has an unknown outcome; default 1,500. Longer than any latency the scenario documents. */
  readonly timeoutMs?: number;
  readonly diagnosis?: DiagnosisSpec;
  /** The phase in which work per operation is counted; nothing fails in it. */
  readonly costPhase?: string;
  /** One-shot after the arms, on stores of its own, that writes a Comparison as JSON to `outFile`. */
  readonly comparison?: ModuleStep;
  /** Says what --quick reduces; empty for the full scale. */
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
  /** Called by resolve.ts alone: whatever the scale and the seed change is decided there, once. */
  declare(options: DeclareOptions): Declaration;
}
