/**
 * Builds every scenario's data ahead of its first run, for `platform setup`: a million audit rows are made
 * once per machine, and better while somebody waits for an installer than in the middle of a run.
 */
import { randomBytes } from 'node:crypto';
import { prepareTemplate } from '../sim/effects/testbed/template-prepare.ts';
import { resolve } from '../sim/resolve.ts';
import type { Scenario } from '../sim/scenario.ts';
import type { NodeSpec, PostgresSpec } from '../sim/topology.ts';
import type { Io } from './io.ts';
import { DEFAULT_SEED } from './units.ts';

export async function prepareTemplates(
  scenarios: readonly Scenario[],
  io: Io,
  onNote: (text: string) => void,
): Promise<void> {
  for (const { name, spec } of neededTemplates(scenarios)) {
    onNote(`preparing the data of ${name}`);
    await prepareTemplate({
      runId: `setup-${randomBytes(4).toString('hex')}`,
      spec,
      onNote,
      env: { ...io.env },
    });
  }
}

const isPostgres = (spec: NodeSpec): spec is PostgresSpec => spec.kind === 'postgres';

/** One per distinct data set: designs that store the same way share theirs. */
function neededTemplates(
  scenarios: readonly Scenario[],
): readonly { name: string; spec: PostgresSpec }[] {
  const found = new Map<string, { name: string; spec: PostgresSpec }>();
  for (const scenario of scenarios) {
    for (const quick of [false, true]) {
      const { arms, scale } = resolve(scenario, { quick, seed: DEFAULT_SEED });
      for (const arm of arms) {
        const name = `${arm.design}${scale === 'quick' ? ' --quick' : ''}`;
        for (const spec of Object.values(arm.topology.nodes)) {
          if (!isPostgres(spec) || (spec.template ?? []).length === 0) continue;
          const key = JSON.stringify(spec.template);
          if (!found.has(key)) found.set(key, { name, spec });
        }
      }
    }
  }
  return [...found.values()];
}
