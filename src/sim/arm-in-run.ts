/**
 * Takes one arm through a run: testbed up, load, the platform's own record read back, testbed down; then hands
 * the history to the pure judges.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { ArmRun } from './arm-run.ts';
import { underDrill } from './drill.ts';
import type { HistoryFile } from './effects/history-file.ts';
import { readHistory } from './effects/load/engine/read-history.ts';
import type { SenderTotals } from './effects/load/engine/sender.ts';
import type { PinPlan } from './effects/process/pin-plan.ts';
import { DATA_SEED } from './effects/testbed/template-prepare.ts';
import { startTestbed, type Testbed } from './effects/testbed/testbed.ts';
import type { ArmRecord, HistoryRecord } from './history.ts';
import { armResult } from './pure/arm-result.ts';
import type { EarlierArms, SloReferences } from './pure/judge-slos.ts';
import { timesFromSend } from './pure/load-tool.ts';
import { otherCpuBetween, resourcesBetween, resourceTimeline } from './pure/resources.ts';
import { spanOf } from './pure/series.ts';
import type { ArmJudgement } from './pure/verdict.ts';
import type { ArmName, ArmResult } from './result.ts';
import type { RunOptions } from './run-events.ts';
import {
  type Arm,
  type DrillScenario,
  type IncidentScenario,
  invariantsOf,
  operationsOf,
  type Scenario,
  slosOf,
} from './scenario.ts';
import { type Loaded, underLoad } from './under-load.ts';

/** Send lag may take a tenth of the tightest latency SLO (200 ms) before a run is void. */
const LAG_LIMIT_US = 20_000;

export interface ArmInRunOptions {
  readonly name: ArmName;
  readonly arm: Arm;
  readonly runId: string;
  readonly folder: string;
  readonly cores: PinPlan | null;
  readonly history: HistoryFile;
  readonly options: RunOptions;
  readonly calibratedUsers: number | null;
  readonly brokenPerSecond: number | null;
  /** What SLOs of this arm are compared with. */
  readonly earlier: EarlierArms;
  /** Leave the testbed standing when the arm is done; the caller stops it. */
  readonly keep: boolean;
}

export interface ArmInRun {
  readonly result: ArmResult;
  readonly judgement: ArmJudgement;
  readonly references: SloReferences;
  /** Population of the judged phase, for the arms that follow. */
  readonly users: number | null;
  readonly versions: { readonly postgres: string; readonly redis: string };
  /** The testbed, still running, when it was to be kept. */
  readonly kept: Testbed | null;
}

/** What is known once the load is over and the testbed still stands. */
interface Recorded {
  readonly run: ArmRun;
  readonly loaded: Loaded;
  readonly totals: SenderTotals;
  readonly records: readonly HistoryRecord[];
}

export async function armInRun(input: ArmInRunOptions): Promise<ArmInRun> {
  const { name, arm, options, runId } = input;
  const announce = (phase: string, note: string) =>
    options.onEvent({ type: 'phase', arm: name, phase, note, plannedMs: null });
  announce('start', 'PostgreSQL, Redis and the service');
  const testbed = await startTestbed({
    runId: `${runId}-${name}`,
    logFolder: path.join(input.folder, 'logs', name),
    spec: arm.testbed,
    seed: DATA_SEED,
    faultSeed: options.seed,
    cores: input.cores,
    onNote: (text) => options.onEvent({ type: 'note', text }),
    onDeath: ({ name: process, status, lastLines }) =>
      options.onEvent({
        type: 'note',
        text: `${process} ended by itself (${status}): ${lastLines.at(-1) ?? 'it said nothing'}`,
      }),
    signal: options.signal,
  });
  let kept: Testbed | null = null;
  try {
    const recorded = await load(testbed, input, announce);
    const judged = judge(input, testbed, recorded);
    const { postgresVersion: postgres, redisVersion: redis } = testbed;
    if (input.keep) kept = testbed;
    return { ...judged, users: recorded.loaded.users, versions: { postgres, redis }, kept };
  } finally {
    if (kept === null) {
      announce('stop', 'removing the testbed');
      await testbed.stop();
    }
  }
}

async function load(
  testbed: Testbed,
  input: ArmInRunOptions,
  announce: (phase: string, note: string) => void,
): Promise<Recorded> {
  const { name, arm, folder, options } = input;
  const { scenario, seed, signal, onEvent } = options;
  const operationsFile = path.join(folder, `${name}.operations.ndjson`);
  const effectsFile = path.join(folder, `${name}.effects.ndjson`);
  const run = await ArmRun.start({
    ...{ name, testbed, operationsFile, signal, onEvent, seed },
    requestIdPrefix: `${input.runId}:${name}:`,
    ...loadDefaults(options),
    tool: options.load ?? null,
  });
  const origin = new Date();
  let loaded: Loaded;
  let totals: SenderTotals;
  try {
    loaded = isDrill(options)
      ? await underDrill(run, options)
      : await underLoad(run, {
          ...{ ...input, operationsFile, lagLimitUs: LAG_LIMIT_US },
          options: options as RunOptions<IncidentScenario>,
        });
    totals = await run.load.totals();
  } finally {
    await run.close();
  }
  announce('check', 'what the platform recorded against what was acknowledged');
  const outcome = { outFile: effectsFile, sinceMs: origin.getTime() };
  await testbed.runOneShot(scenario.effects, outcome);
  const opening: ArmRecord = {
    ...{ kind: 'arm', arm: name, design: arm.design, seed },
    originAt: origin.toISOString(),
  };
  const records: HistoryRecord[] = [opening, ...run.phases, ...run.faults, ...run.metrics];
  await input.history.append(records);
  for (const file of [operationsFile, effectsFile]) {
    for await (const record of readHistory(file)) records.push(record);
    await input.history.appendFile(file);
    await rm(file);
  }
  return { run, loaded, totals, records };
}

function judge(
  { arm, options, earlier }: ArmInRunOptions,
  testbed: Testbed,
  { run, loaded, totals, records }: Recorded,
): Pick<ArmInRun, 'result' | 'judgement' | 'references'> {
  const { scenario, quick } = options;
  const { judged, evidence } = loaded.phase;
  const isReproduction = arm.expected === 'fail' && loaded.comparable;
  return armResult({
    ...{ history: records, earlier },
    slos: slosOf(scenario, quick),
    invariants: invariantsOf(scenario, quick),
    documented:
      isReproduction && scenario.kind === 'incident' ? scenario.scale(quick).documented : [],
    lagLimitUs: LAG_LIMIT_US,
    culprit: scenario.kind === 'incident' ? scenario.culprit : null,
    refusals: operationsOf(scenario)
      .filter(({ as }) => as === 'ended')
      .map(({ name }) => name),
    ...drillFacts(scenario, quick),
    observed: {
      ...{ design: arm.design, description: arm.description, expected: arm.expected },
      mustFail: arm.mustFail,
      mayFail: arm.mayFail,
      phaseNotes: run.notes,
      costs: loaded.costs,
      capacity: loaded.capacity,
      calibration: loaded.calibration,
      databaseCpuPercent: judged.utilisation === null ? null : judged.utilisation * 100,
      evidence,
      resources: resourcesBetween(judged, testbed.cores),
      otherCpu: otherCpuBetween(judged.from, run.cpu.samples.at(-1) ?? judged.to),
      resourceTimeline: resourceTimeline(run.cpu.samples, spanOf(run.phases) ?? judged),
      totals,
      timedFromSend: timesFromSend(options.load ?? null),
    },
  });
}

function isDrill(options: RunOptions): options is RunOptions<DrillScenario> {
  return options.scenario.kind === 'drill';
}

/** What an incident's phases send as; the phases of a drill say it themselves. */
function loadDefaults({ scenario, quick }: RunOptions) {
  return scenario.kind === 'incident'
    ? {
        operations: scenario.operations,
        think: scenario.scale(quick).users.think,
        timeoutMs: 20_000,
      }
    : {
        operations: [],
        think: { meanMs: 0, shape: 1 },
        timeoutMs: scenario.drill(quick).timeoutMs ?? 1_500,
      };
}

function drillFacts(scenario: Scenario, quick: boolean) {
  if (scenario.kind === 'incident') return { baseline: null, plannedFaults: [], tolerance: null };
  const { phases, tolerance } = scenario.drill(quick);
  return {
    tolerance,
    baseline: phases.find(({ role }) => role === 'baseline')?.name ?? null,
    plannedFaults: phases.flatMap(({ faults = [] }) => faults.map(({ name }) => name)),
  };
}
