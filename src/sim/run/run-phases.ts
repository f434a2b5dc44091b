/**
 * Runs an arm's phases one after another, each with its load, faults and instruments. A phase ends when its operations
 * have ended and its faults are proven undone, so nothing leaks into the next.
 */

import { startNemesis } from '../effects/faults/nemesis.ts';
import { readWork } from '../effects/observe/read-work.ts';
import {
  metricIncreases,
  metricsSourcesOf,
  readMetrics,
} from '../effects/observe/service-metrics.ts';
import type { LoadContext, PhaseFaults } from '../load-kind.ts';
import { LOAD_KINDS } from '../load-kinds.ts';
import type { Plan, PlannedArm } from '../plan/plan.ts';
import { metricsIn } from '../pure/judge/judge-slos.ts';
import type { SearchStep } from '../pure/judge/measurements.ts';
import { costsBetween } from '../pure/measure/costs.ts';
import type { ArmResult, Figure } from '../result.ts';
import type { Phase } from '../scenario.ts';
import type { ArmSession, MeasuredWindow, PhaseOptions } from './arm-session.ts';
import { type ObservedPhase, observePhase } from './observe-phase.ts';
import type { RunEvent } from './run-events.ts';

export interface PhasesOptions
  extends Pick<LoadContext, 'operationsFile' | 'lagLimitUs' | 'populationOf'> {
  readonly plan: Plan;
  readonly arm: PlannedArm;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

export interface PhasesOutcome {
  /** Population of the judged phase; null for a load without one. */
  readonly users: number | null;
  readonly calibration: ArmResult['calibration'];
  /** Window that resources are reported for: the diagnosed phase, else the cost phase, else the last judged one. */
  readonly window: MeasuredWindow;
  /** Evidence from the diagnosed phase; null where none is diagnosed. */
  readonly evidence: ObservedPhase['evidence'] | null;
  /** Work per operation; empty where no phase counts it. */
  readonly costs: readonly Figure[];
  /** Steps of the capacity search; null without one. */
  readonly search: readonly SearchStep[] | null;
}

/** Collected phase by phase; null: not measured yet. */
type PartialOutcome = { -readonly [Key in keyof PhasesOutcome]: PhasesOutcome[Key] | null };

export async function runPhases(
  session: ArmSession,
  options: PhasesOptions,
): Promise<PhasesOutcome> {
  const { plan, arm, operationsFile, lagLimitUs, populationOf } = options;
  const partial: PartialOutcome = {
    users: null,
    window: null,
    evidence: null,
    costs: null,
    search: null,
    calibration: null,
  };
  const reported = reportedPhaseName(options);
  const needsRest = plan.invariants.some((invariant) => invariant.needsRest === true);
  const restIndex = arm.phases.findLastIndex(({ role }) => role === 'warm-up') + 1;
  for (const [index, phase] of arm.phases.entries()) {
    if (needsRest && index === restIndex) await session.readRest('before');
    const context: LoadContext = {
      session,
      slos: plan.slos,
      operationsFile,
      lagLimitUs,
      populationOf,
      // The same arrivals in every arm, different ones in every phase.
      seed: plan.seed + index,
      measure: async (phaseOptions, work) => {
        const window = await measure(session, { phase, phaseOptions, partial }, options, work);
        if (phase.name === reported) partial.window = window;
        return window;
      },
    };
    const outcome = await LOAD_KINDS.of(phase.load.kind).run(context, phase, phase.load);
    partial.users = outcome.users ?? partial.users;
    partial.search = outcome.search ?? partial.search;
    partial.calibration = [...(partial.calibration ?? []), ...(outcome.calibration ?? [])];
  }
  const { window, costs, calibration, ...rest } = partial;
  if (window === null) throw new Error(`${arm.name} of ${plan.id} never measured ${reported}`);
  return { ...rest, window, costs: costs ?? [], calibration: calibration ?? [] };
}

function reportedPhaseName({ plan, arm: { phases } }: PhasesOptions): string | undefined {
  const wanted = [plan.diagnosis?.phase, plan.costPhase];
  const named = wanted.find((name) => phases.some((phase) => phase.name === name));
  return named ?? phases.findLast(({ judged }) => judged)?.name;
}

type PhaseWork = (faults: PhaseFaults) => Promise<void>;

/** Reads the work counters before and after the cost phase. */
async function measure(
  session: ArmSession,
  at: {
    readonly phase: Phase;
    readonly phaseOptions: PhaseOptions;
    readonly partial: PartialOutcome;
  },
  options: PhasesOptions,
  work: PhaseWork,
): Promise<MeasuredWindow> {
  if (at.phase.name !== options.plan.costPhase)
    return await measureInstrumented(session, at, options, work);
  const before = await readWork(session.testbed);
  const { completed } = await session.load.totals();
  const window = await measureInstrumented(session, at, options, work);
  const operations = (await session.load.totals()).completed - completed;
  const after = await readWork(session.testbed);
  at.partial.costs = costsBetween({ before, after, cpu: window, operations });
  return window;
}

/** Runs the phase with the instruments of the diagnosis, or with the service histograms that its SLOs name. */
async function measureInstrumented(
  session: ArmSession,
  {
    phase,
    phaseOptions,
    partial,
  }: { phase: Phase; phaseOptions: PhaseOptions; partial: PartialOutcome },
  options: PhasesOptions,
  work: PhaseWork,
): Promise<MeasuredWindow> {
  const { diagnosis, slos } = options.plan;
  const runWork = () => runUnderFaults(session, phase, options, work);
  if (diagnosis?.phase === phase.name) {
    const observed = await observePhase(session, phaseOptions, { ...diagnosis, slos }, runWork);
    partial.evidence = observed.evidence;
    return observed.judged;
  }
  const metrics = metricsIn(slos, phaseOptions);
  if (metrics.length === 0) return await session.runPhase(phaseOptions, runWork);
  const { testbed } = session;
  const before = await readMetrics(metricsSourcesOf(testbed));
  const window = await session.runPhase(phaseOptions, runWork);
  const after = await readMetrics(metricsSourcesOf(testbed));
  session.metrics.push(...metricIncreases({ phase: phaseOptions.name, metrics }, before, after));
  return window;
}

async function runUnderFaults(
  session: ArmSession,
  { faults = [] }: Phase,
  { arm, signal, onEvent }: PhasesOptions,
  work: PhaseWork,
): Promise<void> {
  const nemesis = startNemesis({
    faults,
    targets: session.testbed,
    nowUs: session.nowUs,
    waitForAcknowledged: (operation) => session.load.acknowledged(operation),
    design: arm.design,
    readMetrics: (limitMs) => readMetrics(metricsSourcesOf(session.testbed), limitMs),
    signal,
  });
  const hasOrderedFaults = faults.some(({ after }) => after !== undefined);
  try {
    await work({ isPending: () => hasOrderedFaults && nemesis.activeCount() > 0 });
  } finally {
    const { records, problems } = await nemesis.end();
    session.faults.push(...records);
    for (const problem of problems) onEvent({ type: 'note', text: problem });
  }
}
