/** Rising open load, a step at a time, until an SLO breaks or the generator cannot follow. */
import type { ArmRun } from './arm-run.ts';
import { readHistory } from './effects/load/engine/read-history.ts';
import type { OperationRecord } from './history.ts';
import { judgeStep } from './pure/capacity.ts';
import { stepPhase } from './pure/judge-slos.ts';
import type { LoadStep } from './result.ts';
import type { RisingLoad, Slo } from './scenario.ts';

export interface RiseOptions {
  readonly rising: RisingLoad;
  readonly slos: readonly Slo[];
  readonly operationsFile: string;
  readonly lagLimitUs: number;
}

export async function rise(run: ArmRun, options: RiseOptions): Promise<LoadStep[]> {
  const { startPerSecond, factor, maxPerSecond, stepMs } = options.rising;
  const steps: LoadStep[] = [];
  for (let rate = startPerSecond; rate <= maxPerSecond; rate = Math.round(rate * factor)) {
    const name = stepPhase(steps.length);
    const note = `open arrivals at ${rate}/s`;
    const window = await run.phase({ name, note, plannedMs: stepMs }, () =>
      run.load.runOpen(rate, stepMs),
    );
    const step = judgeStep({
      offeredPerSecond: rate,
      // The load lasted stepMs; what came after is the queue it left.
      span: { startUs: window.startUs, endUs: window.startUs + stepMs * 1_000 },
      operations: await operationsOf(options.operationsFile, name),
      slos: options.slos,
      lagLimitUs: options.lagLimitUs,
    });
    steps.push(step);
    if (step.verdict !== 'pass') break;
  }
  return steps;
}

async function operationsOf(file: string, phase: string): Promise<OperationRecord[]> {
  const operations: OperationRecord[] = [];
  for await (const record of readHistory(file)) {
    if (record.kind === 'op' && record.phase === phase) operations.push(record);
  }
  return operations;
}
