/**
 * The part of a drill in which there is load: phase by phase, each with its workload and its faults side by side.
 * A phase ends when its operations are answered and its faults are proven undone, so none leaks into the next.
 */
import type { ArmRun, Window } from './arm-run.ts';
import { startNemesis } from './effects/faults/nemesis.ts';
import { gainsBetween, readMetrics } from './effects/observe/service-metrics.ts';
import { readWork } from './effects/observe/work-counters.ts';
import { costsBetween } from './pure/costs.ts';
import { metricsIn } from './pure/judge-slos.ts';
import { firstOf, plannedMs } from './pure/schedule.ts';
import type { Figure } from './result.ts';
import type { RunOptions } from './run-events.ts';
import type { DrillPhase, DrillScenario } from './scenario.ts';
import type { Loaded } from './under-load.ts';

const MOST_SECONDS_MORE = 300;

export async function underDrill(run: ArmRun, options: RunOptions<DrillScenario>): Promise<Loaded> {
  const { scenario, quick } = options;
  let costs: readonly Figure[] = [];
  let judged: Window | null = null;
  for (const [index, phase] of scenario.drill(quick, options.seed).phases.entries()) {
    // Every arm meets the same arrivals, every phase others.
    const seed = options.seed + index;
    if (phase.name !== scenario.costPhase) {
      await inPhase(run, phase, { ...options, seed });
      continue;
    }
    const before = await readWork(run.testbed);
    const { completed } = await run.load.totals();
    judged = await inPhase(run, phase, { ...options, seed });
    const operations = (await run.load.totals()).completed - completed;
    const after = await readWork(run.testbed);
    costs = costsBetween({ before, after, cpu: judged, operations });
  }
  if (judged === null) throw new Error(`${scenario.id} has no phase ${scenario.costPhase}`);
  return {
    ...{ users: null, calibration: [], capacity: null, comparable: false },
    phase: { judged, evidence: null },
    costs,
  };
}

async function inPhase(
  run: ArmRun,
  phase: DrillPhase,
  options: RunOptions<DrillScenario>,
): Promise<Window> {
  const { name, note, judged, workload } = phase;
  const planned = plannedMs(workload);
  const described = { name, note, judged, plannedMs: planned === 0 ? null : planned };
  const work = () => run.phase(described, () => underFaults(run, phase, options));
  const metrics = metricsIn(options.scenario.slos, phase);
  if (metrics.length === 0) return await work();
  const { services } = run.testbed;
  const before = await readMetrics(services);
  const window = await work();
  const after = await readMetrics(services);
  run.metrics.push(...gainsBetween({ phase: name, metrics }, before, after));
  return window;
}

async function underFaults(
  run: ArmRun,
  { workload, faults = [] }: DrillPhase,
  { seed, signal, onEvent }: RunOptions<DrillScenario>,
): Promise<void> {
  const nemesis = startNemesis({
    faults,
    targets: run.testbed,
    nowUs: run.nowUs,
    acknowledged: (operation) => run.load.acknowledged(operation),
    signal,
  });
  try {
    await run.load.run(workload, seed);
    // Where faults wait for each other a slow machine takes longer, and its load must not end before them.
    const isChained = faults.some(({ after }) => after !== undefined);
    for (let more = 1; isChained && nemesis.living() > 0 && more <= MOST_SECONDS_MORE; more += 1)
      await run.load.run(firstOf(workload, 1_000), seed + 1_000_000 * more);
  } finally {
    const { records, problems } = await nemesis.end();
    run.faults.push(...records);
    for (const problem of problems) onEvent({ type: 'note', text: problem });
  }
}
