/**
 * The package's entry point: what a scenario of your own is written with.
 *
 *     import { defineScenario } from 'platform-sim';
 *     export const scenario = defineScenario({ id: 'mine', ... });
 */
import { parseSlo } from '../sim/pure/slo.ts';
import { invariantsOf, operationsOf, type Scenario } from '../sim/scenario.ts';

export { type AuditInput, checkAudit } from '../checkers/audit/check-audit.ts';
export { checkAtomic } from '../checkers/audit/check-audit-atomic.ts';
export { checkChain } from '../checkers/audit/check-audit-chain.ts';
export { checkAuditOrder } from '../checkers/audit/check-audit-order.ts';
export { checkRecentView } from '../checkers/audit/check-recent-view.ts';
export type { EffectRecord, HistoryRecord, OperationRecord } from '../sim/history.ts';
export { checkExactlyOnce } from '../sim/pure/check-exactly-once.ts';
export { faultWindows } from '../sim/pure/fault-windows.ts';
export { type KillKind, planKills } from '../sim/pure/kill-plan.ts';
export { createRandom } from '../sim/pure/random.ts';
export type { OperationTemplate } from '../sim/pure/workload.ts';
export type { Result } from '../sim/result.ts';
export type { Arm, Invariant, Scale, Scenario, TestbedSpec } from '../sim/scenario.ts';

/**
 * Checks a scenario before anything is started.
 * @throws RangeError naming the first thing wrong: an SLO outside the grammar, or against an arm that is not there, an
 * id used twice, no operations.
 */
export function defineScenario<Kind extends Scenario>(scenario: Kind): Kind {
  if (!/^[a-z][a-z0-9-]*$/.test(scenario.id)) {
    throw new RangeError(`scenario id "${scenario.id}": lower-case letters, digits and hyphens`);
  }
  if (operationsOf(scenario).length === 0) throw new RangeError(`${scenario.id}: no operations`);
  const ids = [...scenario.slos, ...invariantsOf(scenario, false)].map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw new RangeError(`${scenario.id}: id "${twice}" is used twice`);
  const arms = scenario.arms({ quick: false, seed: 1 });
  for (const { id, objective, quickObjective = objective, baseline } of scenario.slos) {
    for (const { arm } of [objective, quickObjective].map(parseSlo)) {
      if (arm === null) continue;
      if (arms[arm] === undefined)
        throw new RangeError(`${scenario.id}: ${id} compares with ${arm}, which is no arm of it`);
      if (baseline !== undefined)
        throw new RangeError(`${scenario.id}: ${id} compares with ${arm} and with ${baseline}`);
    }
  }
  for (const [name, arm] of Object.entries(arms)) {
    const named = [...arm.mustFail, ...(arm.mayFail ?? [])];
    const unknown = named.find((id) => !ids.includes(id));
    if (unknown !== undefined) {
      throw new RangeError(
        `${scenario.id}: arm ${name} may fail "${unknown}", which is not declared`,
      );
    }
  }
  return scenario;
}
