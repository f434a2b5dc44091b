/** Runs the capacity search: one step of open load at a time, planned by pure/load/capacity-search.ts. */

import { readHistory } from '../effects/load/engine/read-history.ts';
import type { OperationRecord } from '../history.ts';
import { judgeStep, stepPhase } from '../pure/judge/capacity.ts';
import type { SearchStep } from '../pure/judge/measurements.ts';
import { errorMinimumSamples, latencyMinimumSamples } from '../pure/judge/slo.ts';
import {
  type CompletedStep,
  nextStep,
  type PlannedStep,
  type SearchPlan,
} from '../pure/load/capacity-search.ts';
import type { Verdict } from '../result.ts';
import type { ArmSession } from '../run/arm-session.ts';

/**
 * Rates of a capacity search. It starts at a rate the arm certainly sustains, after an unjudged warm-up at that rate,
 * and multiplies it by `factor` until an SLO breaks.
 */
export interface RateSearch {
  readonly warmUpMs: number;
  readonly startPerSecond: number;
  readonly factor: number;
  readonly maxPerSecond: number;
  /** Minimum; a step lasts until its latency SLOs have enough samples. */
  readonly stepMs: number;
}

export interface SearchOptions {
  readonly search: RateSearch;
  readonly slos: readonly { readonly id: string; readonly objective: string }[];
  readonly operationsFile: string;
  readonly lagLimitUs: number;
}

export async function searchCapacity(
  session: ArmSession,
  options: SearchOptions,
): Promise<SearchStep[]> {
  const plan: SearchPlan = {
    startPerSecond: options.search.startPerSecond,
    factor: options.search.factor,
    maxPerSecond: options.search.maxPerSecond,
    stepMs: options.search.stepMs,
    latencySamples: latencyMinimumSamples(options.slos),
    errorSamples: errorMinimumSamples(options.slos),
  };
  await warmUp(session, options.search);
  const completed: CompletedStep[] = [];
  for (let next = nextStep(plan, completed); next !== null; next = nextStep(plan, completed)) {
    const { purpose, ratePerSecond, durationMs, repeats } = next;
    const name = stepPhase(completed.length);
    const verdict = await runStep(session, options, { planned: next, name });
    completed.push({ purpose, ratePerSecond, durationMs, repeats, verdict });
  }
  return completed.map(({ durationMs, repeats }) => ({ durationMs, repeats }));
}

/** The first requests of an open load meet cold code and open the connections; they are not representative. */
async function warmUp(
  session: ArmSession,
  { startPerSecond, warmUpMs }: RateSearch,
): Promise<void> {
  const note = `open arrivals at ${startPerSecond}/s, not judged`;
  await session.runPhase({ name: 'rising-warm-up', note, plannedMs: warmUpMs }, () =>
    session.load.runOpen(startPerSecond, warmUpMs),
  );
}

const PURPOSE_TEXT: Readonly<Record<PlannedStep['purpose'], string>> = {
  search: '',
  repeat: ', once more after it broke',
  proof: ', long enough for the error SLO',
};

async function runStep(
  session: ArmSession,
  options: SearchOptions,
  { planned, name }: { readonly planned: PlannedStep; readonly name: string },
): Promise<Verdict> {
  const { purpose, ratePerSecond, durationMs } = planned;
  const note = `open arrivals at ${ratePerSecond}/s${PURPOSE_TEXT[purpose]}`;
  // The load ends when every operation has ended, so the queue of one step is drained before the next.
  const window = await session.runPhase({ name, note, plannedMs: durationMs }, () =>
    session.load.runOpen(ratePerSecond, durationMs),
  );
  return judgeStep({
    // Arrivals lasted durationMs; afterwards only the queue was drained.
    span: { startUs: window.startUs, endUs: window.startUs + durationMs * 1_000 },
    operations: await readPhaseOperations(options.operationsFile, name),
    slos: options.slos,
    lagLimitUs: options.lagLimitUs,
  }).verdict;
}

async function readPhaseOperations(file: string, phase: string): Promise<OperationRecord[]> {
  const operations: OperationRecord[] = [];
  for await (const record of readHistory(file)) {
    if (record.kind === 'op' && record.phase === phase) operations.push(record);
  }
  return operations;
}
