// What a user adds from outside, one planted example of each kind: a node, a fault, a load, a checker and a report section,
// seen in `explain`, in a run and in every format of its report.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { pairs, type RenderSection } from '../report/blocks.ts';
import { renderConsole } from '../report/console.ts';
import { renderHtml } from '../report/html/page.ts';
import { renderMarkdown } from '../report/markdown.ts';
import { sections } from '../report/sections.ts';
import { FAULT_KINDS } from '../sim/effects/faults/fault-kinds.ts';
import { makeScratch, type Scratch } from '../sim/effects/testbed/fixtures/bed.ts';
import { NODE_KINDS } from '../sim/effects/testbed/node-kinds.ts';
import { plantedLoad } from '../sim/fixtures/planted-load.ts';
import { plantedFault, plantedNode } from '../sim/fixtures/planted-node.ts';
import { arm, get, phase, scenario } from '../sim/fixtures/small-scenario.ts';
import { LOAD_KINDS } from '../sim/load-kinds.ts';
import { resolve } from '../sim/plan/resolve.ts';
import type { Result } from '../sim/result.ts';
import { runScenario } from '../sim/run.ts';
import type { Invariant } from '../sim/scenario.ts';
import type { Topology } from '../sim/topology.ts';
import { runExplain } from './explain/explain.ts';
import { captureIo } from './fixtures/captured-io.ts';

const topology: Topology = {
  nodes: { echo: { kind: 'x-echo' } },
  edges: [{ from: 'client', to: 'echo' }],
  jobs: [],
};
const answered: Invariant = {
  id: 'planted-checker',
  statement: 'what is planted answers 503 while it is unavailable, and only then',
  check(history) {
    const refused = history.filter((one) => one.kind === 'op' && one.status === 503);
    return { verdict: 'pass', checked: refused.length, violations: 0, witness: [] };
  },
};
const plantedSection: RenderSection = ({ arms }) => ({
  id: 'planted',
  title: 'Planted section',
  blocks: [
    pairs(arms.map(({ name, arm: { phases } }) => [name, `${phases.length} planted phases`])),
  ],
  console: { facts: [pairs([['planted', 'on the console']])] },
});
const planted = scenario({
  arms: {
    after: arm({
      topology,
      phases: [
        phase({
          name: 'planted',
          load: { kind: 'x-planted', requests: 60, operation: get } as never,
        }),
        phase({
          name: 'unavailable',
          judged: false,
          load: { kind: 'x-planted', requests: 60, operation: get } as never,
          faults: [
            {
              name: 'planted-fault',
              at: { afterMs: 100 },
              fault: { kind: 'x-unavailable', target: 'echo' },
              forMs: 300,
            },
          ],
        }),
      ],
    }),
  },
  slos: [
    { id: 'errors', objective: 'errors < 50%' },
    { id: 'work', objective: 'cost.answers <= 2' },
  ],
  costPhase: 'planted',
  invariants: [answered],
});

let scratch: Scratch;
let unregister: (() => void)[] = [];
beforeAll(async () => {
  scratch = await makeScratch();
  vi.stubEnv('PLATFORM_CACHE', scratch.cache);
  unregister = [
    NODE_KINDS.register(plantedNode),
    FAULT_KINDS.register(plantedFault),
    LOAD_KINDS.register(plantedLoad),
  ];
});
afterAll(async () => {
  for (const end of unregister) end();
  vi.unstubAllEnvs();
  await scratch.remove();
});

describe('a planted node, fault, load, checker and section', () => {
  it('are explained in their own words', () => {
    const io = captureIo({});
    expect(runExplain(planted, { json: false }, io)).toBe(0);
    const text = io.out().replace(/\s+/g, ' ');
    expect(text).toContain('echo, a planted server.');
    expect(text).toContain('planted unavailability of echo, 100 ms into the phase');
    expect(text).toContain('60 times get, planted, at 60/s.');
    expect(text).toContain('planted-checker what is planted answers 503');
  });

  it('are run, judged and reported in every format', async () => {
    const { result } = await runScenario({
      plan: resolve(planted, { quick: false, seed: 5 }),
      outDir: scratch.logFolder,
      keep: false,
      command: 'test',
      signal: new AbortController().signal,
      onEvent: () => {},
    });
    const after = result.arms.after!;
    expect(result.environment.versions).toEqual({ echo: 'Echo 1.0' });
    expect(after.faults).toMatchObject([{ name: 'planted-fault', outcome: 'healed' }]);
    expect(after.costs.find(({ id }) => id === 'answers')!.value).toBeCloseTo(1, 1);
    // Its processes cannot be distinguished from those of others.
    expect(after.validity.map(({ id }) => id)).not.toContain('other-cpu');
    const [checker] = after.invariants;
    expect(checker).toMatchObject({ id: 'planted-checker', verdict: 'pass' });
    expect(checker!.checked).toBeGreaterThan(0);
    expect(after.phases.map(({ name }) => name)).toEqual(['planted', 'unavailable']);
    const [html, markdown, console] = rendered(result);
    for (const text of [html, markdown]) {
      expect(text).toContain('Planted section');
      expect(text).toContain('2 planted phases');
      expect(text).toContain('planted-fault');
      expect(text).toContain('what is planted answers 503');
    }
    expect(console).toContain('on the console');
    expect(console).toContain('after 1 of 1 hold');
    const runs = path.join(scratch.cache, 'runs');
    expect(existsSync(runs) ? readdirSync(runs) : []).toEqual([]);
  });
});

function rendered(result: Result): readonly [string, string, string] {
  const all = [...sections, plantedSection];
  const options = { colorText: null, width: 120, folder: 'reports/x' };
  return [
    renderHtml(result, all),
    renderMarkdown(result, all),
    renderConsole(result, options, all),
  ];
}
