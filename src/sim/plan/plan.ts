/**
 * A resolved scenario: resolve.ts builds it, `explain` prints it, run.ts executes it. Scale, seed and flags are already
 * applied; no reader of a plan needs them.
 */
import type { PlanOptions } from '../history.ts';
import type { LoadTool } from '../pure/load/load-tool.ts';
import type { ArmName } from '../result.ts';
import type {
  Arm,
  DiagnosisSpec,
  Documented,
  Invariant,
  Scenario,
  Slo,
  Tolerance,
} from '../scenario.ts';
import type { ModuleStep } from '../topology.ts';

export interface PlannedArm extends Arm {
  readonly name: ArmName;
  /** Figures this arm must reproduce; empty where none are documented or the load was replaced. */
  readonly documented: readonly Documented[];
}

/** With a final objective. */
export type PlannedSlo = Omit<Slo, 'quickObjective'>;

export interface Plan extends Omit<Scenario, 'declare'> {
  /** What it was resolved with. */
  readonly options: PlanOptions;
  readonly seed: number;
  readonly scale: 'full' | 'quick';
  /** What the reduced scale changes; empty for the full scale. */
  readonly scaleNote: string;
  /** In the order they run: `before` first, since the load of the others may depend on it. */
  readonly arms: readonly PlannedArm[];
  readonly slos: readonly PlannedSlo[];
  readonly invariants: readonly Invariant[];
  readonly tolerance: Tolerance | null;
  /** An operation that takes longer has an unknown outcome. */
  readonly timeoutMs: number;
  readonly diagnosis: DiagnosisSpec | null;
  readonly costPhase: string | null;
  readonly comparison: ModuleStep | null;
  /** External generator and its rate; null: our own sender. */
  readonly generator: { readonly tool: LoadTool; readonly ratePerSecond: number } | null;
  /** What this selection of arms leaves unjudged, one sentence each. */
  readonly notes: readonly string[];
}

/** Throws RangeError when the plan does not run the arm. */
export function armOf(plan: Plan, name: ArmName): PlannedArm {
  const arm = plan.arms.find((one) => one.name === name);
  if (arm === undefined) throw new RangeError(`${plan.id} does not run ${name}`);
  return arm;
}
