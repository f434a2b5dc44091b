/**
 * The part of an arm's run in which there is load: phase by phase, each with its load, its faults and its instruments. A
 * phase ends when its operations are answered and its faults are proven undone, so none leaks into the next.
 */
import type { ArmRun, PhaseOptions, Window } from './arm-run.ts';
import { startNemesis } from './effects/faults/nemesis.ts';
import { gainsBetween, readMetrics } from './effects/observe/service-metrics.ts';
import { workOf } from './effects/observe/work-of.ts';
import type { LoadContext, PhaseFaults } from './load-kind.ts';
import { LOAD_KINDS } from './load-kinds.ts';
import { type ObservedPhase, observePhase } from './observe-phase.ts';
import type { Plan, PlannedArm } from './plan.ts';
import { costsBetween } from './pure/costs.ts';
import { metricsIn } from './pure/judge-slos.ts';
import type { ArmResult, Capacity, Figure } from './result.ts';
import type { RunEvent } from './run-events.ts';
import type { Phase } from './scenario.ts';

export interface PhasesOptions
  extends Pick<LoadContext, 'operationsFile' | 'lagLimitUs' | 'usersOf' | 'brokenPerSecond'> {
  readonly plan: Plan;
  readonly arm: PlannedArm;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

export interface Loaded {
  /** Population of the judged phase; null where the load was none. */
  readonly users: number | null;
  readonly calibration: ArmResult['calibration'];
  /** The stretch that resources are reported of: diagnosed, or counted for costs, or the last judged one. */
  readonly window: Window;
  /** What the diagnosed phase showed; null where none is. */
  readonly evidence: ObservedPhase['evidence'] | null;
  /** Work per operation; empty where it was not counted. */
  readonly costs: readonly Figure[];
  readonly capacity: Capacity | null;
}

/** What the phases have shown so far. */
type Shown = { -readonly [Key in keyof Loaded]: Loaded[Key] | null };

export async function runPhases(run: ArmRun, options: PhasesOptions): Promise<Loaded> {
  const { plan, arm, operationsFile, lagLimitUs, usersOf, brokenPerSecond } = options;
  const shown: Shown = {
    ...{ users: null, window: null, evidence: null, costs: null, capacity: null },
    calibration: null,
  };
  const reported = reportedPhase(options);
  for (const [index, phase] of arm.phases.entries()) {
    const context: LoadContext = {
      arm: run,
      slos: plan.slos,
      operationsFile,
      lagLimitUs,
      usersOf,
      brokenPerSecond,
      // Every arm meets the same arrivals, every phase others.
      seed: plan.seed + index,
      measure: async (described, work) => {
        const window = await measure(run, { phase, described, shown }, options, work);
        if (phase.name === reported) shown.window = window;
        return window;
      },
    };
    const outcome = await LOAD_KINDS.of(phase.load.kind).run(context, phase, phase.load);
    shown.users = outcome.users ?? shown.users;
    shown.capacity = outcome.capacity ?? shown.capacity;
    shown.calibration = [...(shown.calibration ?? []), ...(outcome.calibration ?? [])];
  }
  const { window, costs, calibration, ...rest } = shown;
  if (window === null) throw new Error(`${arm.name} of ${plan.id} never measured ${reported}`);
  return { ...rest, window, costs: costs ?? [], calibration: calibration ?? [] };
}

function reportedPhase({ plan, arm: { phases } }: PhasesOptions): string | undefined {
  const wanted = [plan.diagnosis?.phase, plan.costPhase];
  const named = wanted.find((name) => phases.some((phase) => phase.name === name));
  return named ?? phases.findLast(({ judged }) => judged)?.name;
}

type Work = (faults: PhaseFaults) => Promise<void>;

/** Where work is counted, with the counters read around it. */
async function measure(
  run: ArmRun,
  at: { readonly phase: Phase; readonly described: PhaseOptions; readonly shown: Shown },
  options: PhasesOptions,
  work: Work,
): Promise<Window> {
  if (at.phase.name !== options.plan.costPhase) return await observed(run, at, options, work);
  const before = await workOf(run.testbed);
  const { completed } = await run.load.totals();
  const window = await observed(run, at, options, work);
  const operations = (await run.load.totals()).completed - completed;
  const after = await workOf(run.testbed);
  at.shown.costs = costsBetween({ before, after, cpu: window, operations });
  return window;
}

/** Under the instruments that the diagnosis needs, or with the histograms that SLOs name. */
async function observed(
  run: ArmRun,
  { phase, described, shown }: { phase: Phase; described: PhaseOptions; shown: Shown },
  options: PhasesOptions,
  work: Work,
): Promise<Window> {
  const { diagnosis, slos } = options.plan;
  const loaded = () => underFaults(run, phase, options, work);
  if (diagnosis?.phase === phase.name) {
    const seen = await observePhase(run, described, { ...diagnosis, slos }, loaded);
    shown.evidence = seen.evidence;
    return seen.judged;
  }
  const metrics = metricsIn(slos, described);
  if (metrics.length === 0) return await run.phase(described, loaded);
  const { targets } = run.testbed;
  const before = await readMetrics(targets);
  const window = await run.phase(described, loaded);
  const after = await readMetrics(targets);
  run.metrics.push(...gainsBetween({ phase: described.name, metrics }, before, after));
  return window;
}

async function underFaults(
  run: ArmRun,
  { faults = [] }: Phase,
  { signal, onEvent }: PhasesOptions,
  work: Work,
): Promise<void> {
  const nemesis = startNemesis({
    faults,
    targets: run.testbed,
    nowUs: run.nowUs,
    acknowledged: (operation) => run.load.acknowledged(operation),
    signal,
  });
  const isChained = faults.some(({ after }) => after !== undefined);
  try {
    await work({ mustOutlast: () => isChained && nemesis.living() > 0 });
  } finally {
    const { records, problems } = await nemesis.end();
    run.faults.push(...records);
    for (const problem of problems) onEvent({ type: 'note', text: problem });
  }
}
