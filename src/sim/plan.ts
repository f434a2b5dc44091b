/**
 * What one run does, decided: resolve.ts makes it, `explain` prints it, the run carries it out, and the report takes its
 * names from it. Nothing that reads a plan asks for the scale, the seed or the flags again.
 */
import type { LoadTool } from './pure/load-tool.ts';
import type { ArmName } from './result.ts';
import type {
  Arm,
  DiagnosisSpec,
  Documented,
  Invariant,
  Scenario,
  Slo,
  Tolerance,
} from './scenario.ts';
import type { ModuleStep } from './topology.ts';

export interface PlannedArm extends Arm {
  readonly name: ArmName;
  /** Figures that this arm must show; empty where none are documented, or its load is not the documented one. */
  readonly documented: readonly Documented[];
}

/** With a final objective. */
export type PlannedSlo = Omit<Slo, 'quickObjective'>;

export interface Plan extends Omit<Scenario, 'declare'> {
  readonly seed: number;
  readonly scale: 'full' | 'quick';
  /** Says what the reduced scale changes; empty for the full one. */
  readonly scaleNote: string;
  /** In the order they run: the failure first, since the load of the others may be sized on it. */
  readonly arms: readonly PlannedArm[];
  readonly slos: readonly PlannedSlo[];
  readonly invariants: readonly Invariant[];
  readonly tolerance: Tolerance | null;
  /** What takes longer has an unknown outcome. */
  readonly timeoutMs: number;
  readonly diagnosis: DiagnosisSpec | null;
  readonly costPhase: string | null;
  readonly comparison: ModuleStep | null;
  /** What sends the arrivals in place of our own sender, at which rate. */
  readonly generator: { readonly tool: LoadTool; readonly ratePerSecond: number } | null;
  /** What this choice of arms leaves out, a sentence each. */
  readonly notes: readonly string[];
}

/** Throws RangeError when the arm has no part in the plan. */
export function armOf(plan: Plan, name: ArmName): PlannedArm {
  const arm = plan.arms.find((one) => one.name === name);
  if (arm === undefined) throw new RangeError(`${plan.id} does not run ${name}`);
  return arm;
}
