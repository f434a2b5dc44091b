/**
 * `platform setup` builds the data of every scenario ahead of its first run: a million audit rows, once on each
 * machine.
 */
import { randomBytes } from 'node:crypto';
import { rolesOf } from '../../sim/effects/testbed/logins.ts';
import { prepareTemplate } from '../../sim/effects/testbed/templates/template-prepare.ts';
import { resolve } from '../../sim/plan/resolve.ts';
import type { Scenario } from '../../sim/scenario.ts';
import type { NodeSpec, PostgresSpec } from '../../sim/topology.ts';
import type { Io } from '../io.ts';
import { DEFAULT_SEED } from '../units.ts';

export async function prepareTemplates(
  scenarios: readonly Scenario[],
  io: Io,
  onNote: (text: string) => void,
): Promise<void> {
  for (const { name, ...data } of listTemplateSpecs(scenarios)) {
    onNote(`preparing the data of ${name}`);
    await prepareTemplate({
      runId: `setup-${randomBytes(4).toString('hex')}`,
      ...data,
      onNote,
      env: { ...io.env },
    });
  }
}

const isPostgres = (spec: NodeSpec): spec is PostgresSpec => spec.kind === 'postgres';

interface DataSet {
  readonly name: string;
  readonly spec: PostgresSpec;
  readonly roles: readonly string[];
}

/** One for each distinct data set; designs may share one. */
export function listTemplateSpecs(scenarios: readonly Scenario[]): readonly DataSet[] {
  const found = new Map<string, DataSet>();
  for (const scenario of scenarios) {
    for (const quick of [false, true]) {
      const { arms, scale } = resolve(scenario, { quick, seed: DEFAULT_SEED });
      for (const arm of arms) {
        const name = `${arm.design}${scale === 'quick' ? ' --quick' : ''}`;
        for (const [node, spec] of Object.entries(arm.topology.nodes)) {
          if (!isPostgres(spec) || (spec.template ?? []).length === 0) continue;
          const roles = rolesOf(node, arm.topology);
          const key = JSON.stringify([spec.template, roles]);
          if (!found.has(key)) found.set(key, { name, spec, roles });
        }
      }
    }
  }
  return [...found.values()];
}
