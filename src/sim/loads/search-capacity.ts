/** The search for the highest rate that holds: open load, a step at a time, as pure/capacity-search.ts plans it. */
import type { ArmRun } from '../arm-run.ts';
import { readHistory } from '../effects/load/engine/read-history.ts';
import type { OperationRecord } from '../history.ts';
import { judgeStep, stepPhase } from '../pure/capacity.ts';
import {
  nextStep,
  type PlannedStep,
  type SearchPlan,
  type TriedStep,
} from '../pure/capacity-search.ts';
import { errorSamplesNeeded, latencySamplesNeeded } from '../pure/slo.ts';
import type { LoadStep } from '../result.ts';

/**
 * Rising load: open arrivals, step by step until an SLO breaks. It begins where the arm
 * surely holds, after a warm-up at that rate that is not judged.
 */
export interface RisingLoad {
  readonly warmUpMs: number;
  readonly startPerSecond: number;
  readonly factor: number;
  readonly maxPerSecond: number;
  /** At least; a step goes on until its latency SLOs have their samples. */
  readonly stepMs: number;
}

export interface SearchOptions {
  readonly rising: RisingLoad;
  readonly slos: readonly { readonly id: string; readonly objective: string }[];
  readonly operationsFile: string;
  readonly lagLimitUs: number;
}

export async function searchCapacity(run: ArmRun, options: SearchOptions): Promise<LoadStep[]> {
  const plan: SearchPlan = {
    startPerSecond: options.rising.startPerSecond,
    factor: options.rising.factor,
    maxPerSecond: options.rising.maxPerSecond,
    stepMs: options.rising.stepMs,
    latencySamples: latencySamplesNeeded(options.slos),
    errorSamples: errorSamplesNeeded(options.slos),
  };
  await warmUp(run, options.rising);
  const steps: LoadStep[] = [];
  const tried: TriedStep[] = [];
  for (let next = nextStep(plan, tried); next !== null; next = nextStep(plan, tried)) {
    const step = await oneStep(run, options, { planned: next, name: stepPhase(steps.length) });
    steps.push(step);
    tried.push({
      purpose: next.purpose,
      ratePerSecond: next.ratePerSecond,
      durationMs: next.durationMs,
      repeats: next.repeats,
      verdict: step.verdict,
    });
  }
  return steps;
}

/** The first requests of open load find cold code and too few connections; they say nothing about a capacity. */
async function warmUp(run: ArmRun, { startPerSecond, warmUpMs }: RisingLoad): Promise<void> {
  const note = `open arrivals at ${startPerSecond}/s, not judged`;
  await run.phase({ name: 'rising-warm-up', note, plannedMs: warmUpMs }, () =>
    run.load.runOpen(startPerSecond, warmUpMs),
  );
}

const PURPOSE: Readonly<Record<PlannedStep['purpose'], string>> = {
  search: '',
  repeat: ', once more after it broke',
  proof: ', long enough for the error SLO',
};

async function oneStep(
  run: ArmRun,
  options: SearchOptions,
  { planned, name }: { readonly planned: PlannedStep; readonly name: string },
): Promise<LoadStep> {
  const { purpose, ratePerSecond, durationMs, repeats } = planned;
  const note = `open arrivals at ${ratePerSecond}/s${PURPOSE[purpose]}`;
  // A load ends when all of it is answered: the queue of one step is drained before the next.
  const window = await run.phase({ name, note, plannedMs: durationMs }, () =>
    run.load.runOpen(ratePerSecond, durationMs),
  );
  const step = judgeStep({
    offeredPerSecond: ratePerSecond,
    // The load lasted durationMs; what came after is the queue it left.
    span: { startUs: window.startUs, endUs: window.startUs + durationMs * 1_000 },
    operations: await operationsOf(options.operationsFile, name),
    slos: options.slos,
    lagLimitUs: options.lagLimitUs,
  });
  return repeats === null ? step : { ...step, repeats };
}

async function operationsOf(file: string, phase: string): Promise<OperationRecord[]> {
  const operations: OperationRecord[] = [];
  for await (const record of readHistory(file)) {
    if (record.kind === 'op' && record.phase === phase) operations.push(record);
  }
  return operations;
}
