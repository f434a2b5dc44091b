/**
 * The package's entry point: what a scenario of your own is written with.
 *
 *     import { defineScenario } from 'platform-sim';
 *     export const scenario = defineScenario({ id: 'mine', ... });
 */
import { LOAD_KINDS } from '../sim/load-kinds.ts';
import { resolve } from '../sim/plan/resolve.ts';
import type { OperationTemplate } from '../sim/pure/load/workload.ts';
import type { ArmName } from '../sim/result.ts';
import type { Arm, ArmOn, Declaration, Scenario } from '../sim/scenario.ts';

export { type AuditInput, checkAudit } from '../checkers/audit/check-audit.ts';
export { checkAuditAtomic as checkAtomic } from '../checkers/audit/check-audit-atomic.ts';
export { checkAuditChain as checkChain } from '../checkers/audit/check-audit-chain.ts';
export { type AuditFieldsInput, checkAuditFields } from '../checkers/audit/check-audit-fields.ts';
export { checkAuditOrder } from '../checkers/audit/check-audit-order.ts';
export { checkAuditTime } from '../checkers/audit/check-audit-time.ts';
export { checkRecentView } from '../checkers/audit/check-recent-view.ts';
export { FAULT_KINDS } from '../sim/effects/faults/fault-kinds.ts';
export { NODE_KINDS } from '../sim/effects/testbed/node-kinds.ts';
export type { FactRecord, HistoryRecord, OperationRecord } from '../sim/history.ts';
export type { LoadKind } from '../sim/load-kind.ts';
export { LOAD_KINDS, type Load } from '../sim/load-kinds.ts';
export { faultWindows } from '../sim/pure/faults/fault-windows.ts';
export { type KillKind, planKills } from '../sim/pure/faults/kill-plan.ts';
export { checkExactlyOnce } from '../sim/pure/judge/check-exactly-once.ts';
export { mixOf, type OperationTemplate } from '../sim/pure/load/workload.ts';
export { createRandom } from '../sim/pure/random.ts';
export type { ArmName, Result } from '../sim/result.ts';
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

/** What is checked here must not depend on the seed, so any will do. */
const SEED = 1;

/**
 * Checks a scenario at both scales before anything is started.
 * @throws UsageError naming the first mistake: an SLO outside the grammar or over an operation that no phase sends, an
 * unknown arm, a duplicate id, an invalid load, a fault that cannot land in its phase.
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

/** The same declaration with each of its arms changed. */
export function mapArms(
  declared: Declaration,
  change: (arm: Arm, name: ArmName) => Arm,
): Declaration {
  const arms = Object.entries(declared.arms).map(([name, arm]) => [
    name,
    change(arm, name as ArmName),
  ]);
  return { ...declared, arms: Object.fromEntries(arms) };
}

/** The same declaration with each request of every phase and arm changed. */
export function mapOperations(
  declared: Declaration,
  change: (operation: OperationTemplate) => OperationTemplate,
): Declaration {
  return mapArms(declared, (arm) => ({
    ...arm,
    phases: arm.phases.map((phase) => ({
      ...phase,
      load: LOAD_KINDS.of(phase.load.kind).mapOperations(phase.load, change),
    })),
  }));
}
