/**
 * Takes one arm through a run: testbed up, load calibrated or given, judged phase under observation, rising
 * load, the platform's own record read back, testbed down; then hands the history to the pure judges.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { ArmRun } from './arm-run.ts';
import { calibrate, nominalPopulation } from './calibrate.ts';
import type { HistoryFile } from './effects/history-file.ts';
import { readHistory } from './effects/load/read-history.ts';
import type { PinPlan } from './effects/testbed/pin-plan.ts';
import { startTestbed, type Testbed } from './effects/testbed/testbed.ts';
import type { HistoryRecord } from './history.ts';
import { type ObservedPhase, observePhase } from './observe-phase.ts';
import { armResult } from './pure/arm-result.ts';
import { capacityOf } from './pure/capacity.ts';
import { resourcesBetween, resourceTimeline } from './pure/resources.ts';
import { spanOf } from './pure/series.ts';
import type { ArmJudgement } from './pure/verdict.ts';
import type { ArmName, ArmResult, Capacity } from './result.ts';
import { rise } from './rise.ts';
import type { RunOptions } from './run-events.ts';
import type { Arm, CalibratedUsers, Scale } from './scenario.ts';

/** Send lag may take this share of the tightest latency SLO of the scenario (200 ms) before a run is void. */
const LAG_LIMIT_US = 20_000;

export interface ArmInRunOptions {
  readonly name: ArmName;
  readonly arm: Arm;
  readonly runId: string;
  readonly folder: string;
  readonly cores: PinPlan | null;
  readonly history: HistoryFile;
  readonly options: RunOptions;
  /** Population found on an earlier arm of this run; null when there is none. */
  readonly calibratedUsers: number | null;
  /** A rate at which `before` was seen outside its SLO; null when unknown. */
  readonly brokenPerSecond: number | null;
}

export interface ArmInRun {
  readonly result: ArmResult;
  readonly judgement: ArmJudgement;
  readonly users: number | null;
  readonly versions: { readonly postgres: string; readonly redis: string };
}

export async function armInRun(input: ArmInRunOptions): Promise<ArmInRun> {
  const { name, arm, options } = input;
  const { scenario, signal, onEvent } = options;
  onEvent({
    type: 'phase',
    arm: name,
    phase: 'start',
    note: 'PostgreSQL, Redis and the service',
    plannedMs: null,
  });
  const testbed = await startTestbed({
    runId: `${input.runId}-${name}`,
    runFolder: path.join(input.folder, name),
    spec: arm.testbed,
    seed: options.seed,
    cores: input.cores,
    onNote: (text) => onEvent({ type: 'note', text }),
    signal,
  });
  try {
    const operationsFile = path.join(input.folder, `${name}.operations.ndjson`);
    const run = await ArmRun.start({
      ...{ name, testbed, operationsFile, signal, onEvent, seed: options.seed },
      requestIdPrefix: `${input.runId}:${name}:`,
      operations: scenario.operations,
      think: scenario.scale(options.quick).users.think,
    });
    const originAt = new Date();
    let loaded: Loaded;
    let planned: number;
    try {
      loaded = await underLoad(run, input, operationsFile);
      planned = await run.planned();
    } finally {
      await run.close();
    }
    onEvent({
      type: 'phase',
      arm: name,
      phase: 'check',
      note: 'what the platform recorded against what was acknowledged',
      plannedMs: null,
    });
    const effectsFile = path.join(input.folder, `${name}.effects.ndjson`);
    await testbed.runOneShot(scenario.effects, {
      outFile: effectsFile,
      sinceMs: originAt.getTime(),
    });
    const records: HistoryRecord[] = [
      {
        kind: 'arm',
        arm: name,
        design: arm.design,
        seed: options.seed,
        originAt: originAt.toISOString(),
      },
      ...run.phases,
    ];
    await input.history.append(records);
    for (const file of [operationsFile, effectsFile]) {
      for await (const record of readHistory(file)) records.push(record);
      await input.history.appendFile(file);
      await rm(file);
    }
    const judged = judge(input, { run, testbed, records, loaded, planned });
    const { postgresVersion: postgres, redisVersion: redis } = testbed;
    return { ...judged, users: loaded.users, versions: { postgres, redis } };
  } finally {
    onEvent({
      type: 'phase',
      arm: name,
      phase: 'stop',
      note: 'removing the testbed',
      plannedMs: null,
    });
    await testbed.stop();
  }
}

interface Loaded {
  readonly users: number | null;
  readonly calibration: ArmResult['calibration'];
  readonly phase: ObservedPhase;
  readonly capacity: Capacity | null;
  /** The load was the documented one, so documented figures may be compared. */
  readonly comparable: boolean;
}

/** Everything that happens while there is load. */
async function underLoad(
  run: ArmRun,
  input: ArmInRunOptions,
  operationsFile: string,
): Promise<Loaded> {
  const { options, name, arm } = input;
  const scale = options.scenario.scale(options.quick);
  const { ratePerSecond, durationMs } = options;
  if (ratePerSecond !== undefined) {
    const plannedMs = durationMs ?? scale.users.measureMs;
    const note = `open Poisson arrivals at ${ratePerSecond}/s`;
    const phase = await observePhase(
      run,
      { name: 'measure', note, plannedMs, judged: true },
      options.scenario,
      () => run.load.runOpen(ratePerSecond, plannedMs),
    );
    return { phase, users: null, calibration: [], capacity: null, comparable: false };
  }
  const { users, steps } = await population(run, input, scale);
  const plannedMs =
    durationMs ?? (arm.expected === 'fail' ? scale.users.measureMs : scale.users.sameLoadMs);
  const note = `${users} users thinking ${scale.users.think.meanMs / 1_000} s`;
  const phase = await observePhase(
    run,
    { name: 'measure', note, plannedMs, judged: true },
    options.scenario,
    () => run.pause(plannedMs),
  );
  await run.load.stopUsers();
  const capacity = scale.rising.arms.includes(name)
    ? await rising(run, input, scale, operationsFile)
    : null;
  return { phase, users, calibration: steps, capacity, comparable: true };
}

async function rising(
  run: ArmRun,
  { options, brokenPerSecond }: ArmInRunOptions,
  scale: Scale,
  operationsFile: string,
): Promise<Capacity> {
  const { slos } = options.scenario;
  const steps = await rise(run, {
    rising: scale.rising,
    slos,
    operationsFile,
    lagLimitUs: LAG_LIMIT_US,
  });
  return capacityOf(steps, brokenPerSecond);
}

/** The arm that must fail is calibrated; the others get the population it was calibrated to. */
async function population(
  run: ArmRun,
  { arm, calibratedUsers }: ArmInRunOptions,
  scale: Scale,
): Promise<{ users: number; steps: ArmResult['calibration'] }> {
  if (arm.expected === 'fail' && calibratedUsers === null) return calibrate(run, scale.users);
  const found =
    calibratedUsers === null
      ? nominalPopulation(scale.users)
      : { users: calibratedUsers, steps: [] };
  await settle(run, found.users, scale.users);
  return found;
}

/** Lets connections, caches and statements warm up under the same population before it is judged. */
async function settle(run: ArmRun, users: number, { warmupMs }: CalibratedUsers): Promise<void> {
  const plannedMs = warmupMs / 4;
  await run.load.startUsers(users, 0);
  await run.phase({ name: 'warm-up', note: `${users} users`, plannedMs }, () =>
    run.pause(plannedMs),
  );
}

interface JudgeInput {
  readonly run: ArmRun;
  readonly testbed: Testbed;
  readonly records: readonly HistoryRecord[];
  readonly loaded: Loaded;
  readonly planned: number;
}

function judge(
  { arm, options }: ArmInRunOptions,
  { run, testbed, records, loaded, planned }: JudgeInput,
): { result: ArmResult; judgement: ArmJudgement } {
  const { scenario } = options;
  const { judged, evidence } = loaded.phase;
  return armResult({
    history: records,
    slos: scenario.slos,
    invariants: scenario.invariants,
    documented:
      arm.expected === 'fail' && loaded.comparable ? scenario.scale(options.quick).documented : [],
    lagLimitUs: LAG_LIMIT_US,
    culprit: scenario.culprit,
    observed: {
      ...{ design: arm.design, description: arm.description, expected: arm.expected },
      mustFail: arm.mustFail,
      phaseNotes: run.notes,
      capacity: loaded.capacity,
      calibration: loaded.calibration,
      databaseCpuPercent: judged.utilisation === null ? null : judged.utilisation * 100,
      evidence,
      resources: resourcesBetween(judged, testbed.cores),
      resourceTimeline: resourceTimeline(run.cpu.samples, spanOf(run.phases) ?? judged),
      planned,
    },
  });
}
