/**
 * The package's entry point: what a scenario of your own is written with.
 *
 *     import { defineScenario } from 'platform-sim';
 *     export const scenario = defineScenario({ id: 'mine', ... });
 */
import { LOAD_KINDS } from '../sim/load-kinds.ts';
import type { OperationTemplate } from '../sim/pure/workload.ts';
import { resolve } from '../sim/resolve.ts';
import type { Arm, ArmOn, Declaration, Scenario } from '../sim/scenario.ts';

export { type AuditInput, checkAudit } from '../checkers/audit/check-audit.ts';
export { checkAtomic } from '../checkers/audit/check-audit-atomic.ts';
export { checkChain } from '../checkers/audit/check-audit-chain.ts';
export { checkAuditOrder } from '../checkers/audit/check-audit-order.ts';
export { checkRecentView } from '../checkers/audit/check-recent-view.ts';
export { FAULT_KINDS } from '../sim/effects/faults/fault-kinds.ts';
export { NODE_KINDS } from '../sim/effects/testbed/node-kinds.ts';
export type { EffectRecord, HistoryRecord, OperationRecord } from '../sim/history.ts';
export type { LoadKind } from '../sim/load-kind.ts';
export { LOAD_KINDS, type Load } from '../sim/load-kinds.ts';
export { checkExactlyOnce } from '../sim/pure/check-exactly-once.ts';
export { faultWindows } from '../sim/pure/fault-windows.ts';
export { type KillKind, planKills } from '../sim/pure/kill-plan.ts';
export { createRandom } from '../sim/pure/random.ts';
export { mixOf, type OperationTemplate } from '../sim/pure/workload.ts';
export type { Result } from '../sim/result.ts';
export type {
  Arm,
  Declaration,
  DeclareOptions,
  Invariant,
  Phase,
  Scenario,
  Slo,
} from '../sim/scenario.ts';
export type { EdgeSpec, JobSpec, NodeSpec, TargetOf, Topology } from '../sim/topology.ts';

/** Declaring must not depend on the seed in what is checked, so any will do. */
const SEED = 1;

/**
 * Checks a scenario at both scales before anything is started.
 * @throws UsageError naming the first thing wrong: an SLO outside the grammar or over what nobody sends, an arm that is
 * not there, an id used twice, a load that cannot be played, a fault that no phase can land.
 */
export function defineScenario<Kind extends Scenario>(scenario: Kind): Kind {
  for (const quick of [false, true]) resolve(scenario, { quick, seed: SEED });
  return scenario;
}

/** An arm whose faults name nodes, processes and edges of its own topology, checked by the compiler. */
export function defineArm<const Node extends string>(arm: ArmOn<Node>): Arm {
  // Names are strings from here on; what remains is checked by resolve.
  return arm as unknown as Arm;
}

/** The same declaration with each request of every phase and arm changed. */
export function mapOperations(
  declared: Declaration,
  change: (operation: OperationTemplate) => OperationTemplate,
): Declaration {
  const changed = (arm: Arm): Arm => ({
    ...arm,
    phases: arm.phases.map((phase) => ({
      ...phase,
      load: LOAD_KINDS.of(phase.load.kind).mapOperations(phase.load, change),
    })),
  });
  const arms = Object.entries(declared.arms).map(([name, arm]) => [name, changed(arm)] as const);
  return { ...declared, arms: Object.fromEntries(arms) };
}
