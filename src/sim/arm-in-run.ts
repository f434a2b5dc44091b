/**
 * Takes one arm through a run: testbed up, load, the platform's own record read back, testbed down; then hands
 * the history to the pure judges.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { ArmRun } from './arm-run.ts';
import type { HistoryFile } from './effects/history-file.ts';
import { readHistory } from './effects/load/engine/read-history.ts';
import type { SenderTotals } from './effects/load/engine/sender.ts';
import { readArrivals } from './effects/observe/arrivals.ts';
import type { PinPlan } from './effects/process/pin-plan.ts';
import { DATA_SEED } from './effects/testbed/template-prepare.ts';
import { startTestbed, type Testbed } from './effects/testbed/testbed.ts';
import type { ArmRecord, HistoryRecord } from './history.ts';
import { operationsOf } from './load-kinds.ts';
import type { PlannedArm } from './plan.ts';
import { armResult } from './pure/arm-result.ts';
import type { EarlierArms, SloReferences } from './pure/judge-slos.ts';
import { timesFromSend } from './pure/load-tool.ts';
import { otherCpuBetween, resourcesBetween, resourceTimeline } from './pure/resources.ts';
import { spanOf } from './pure/series.ts';
import type { ArmJudgement } from './pure/verdict.ts';
import type { ArmResult } from './result.ts';
import type { RunOptions } from './run-options.ts';
import { type Loaded, type PhasesOptions, runPhases } from './run-phases.ts';

/** Send lag may take a tenth of the tightest latency SLO (200 ms) before a run is void. */
const LAG_LIMIT_US = 20_000;

export interface ArmInRunOptions extends Pick<PhasesOptions, 'usersOf' | 'brokenPerSecond'> {
  readonly arm: PlannedArm;
  readonly runId: string;
  readonly folder: string;
  readonly cores: PinPlan | null;
  readonly history: HistoryFile;
  readonly options: RunOptions;
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
  /** By node. */
  readonly versions: Readonly<Record<string, string>>;
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
  const { arm, options, runId } = input;
  const { name } = arm;
  const announce = (phase: string, note: string) =>
    options.onEvent({ type: 'phase', arm: name, phase, note, plannedMs: null });
  announce('start', Object.keys(arm.topology.nodes).join(', '));
  const testbed = await startTestbed({
    runId: `${runId}-${name}`,
    logFolder: path.join(input.folder, 'logs', name),
    topology: arm.topology,
    seed: DATA_SEED,
    faultSeed: options.plan.seed,
    cores: input.cores,
    onNote: (text) => options.onEvent({ type: 'note', text }),
    onDeath: ({ name: process, status, lastLines }) =>
      options.onEvent({
        type: 'note',
        text: `${process} ended by itself (${status}): ${lastLines.at(-1) ?? 'it said nothing'}`,
      }),
    signal: options.signal,
  });
  const files = {
    operations: path.join(input.folder, `${name}.operations.ndjson`),
    effects: path.join(input.folder, `${name}.effects.ndjson`),
  };
  let kept: Testbed | null = null;
  try {
    const recorded = await load(testbed, input, files, announce);
    const judged = judge(input, testbed, recorded);
    if (input.keep) kept = testbed;
    return { ...judged, users: recorded.loaded.users, versions: versionsOf(testbed), kept };
  } finally {
    if (kept === null) {
      announce('stop', 'removing the testbed');
      await testbed.stop();
    }
    // What they hold is in the history by now, or belongs to an arm that did not come to its end.
    for (const file of Object.values(files)) await rm(file, { force: true });
  }
}

async function load(
  testbed: Testbed,
  input: ArmInRunOptions,
  files: { readonly operations: string; readonly effects: string },
  announce: (phase: string, note: string) => void,
): Promise<Recorded> {
  const { arm, options } = input;
  const { plan, signal, onEvent } = options;
  const { name } = arm;
  const { seed } = plan;
  const { operations: operationsFile } = files;
  const run = await ArmRun.start({
    ...{ name, testbed, operationsFile, signal, onEvent, seed },
    requestIdPrefix: `${input.runId}:${name}:`,
    timeoutMs: plan.timeoutMs,
    tool: plan.generator?.tool ?? null,
  });
  const origin = new Date();
  let loaded: Loaded;
  let totals: SenderTotals;
  try {
    const { usersOf, brokenPerSecond } = input;
    loaded = await runPhases(run, {
      ...{ plan, arm, signal, onEvent, usersOf, brokenPerSecond },
      ...{ operationsFile, lagLimitUs: LAG_LIMIT_US },
    });
    totals = await run.load.totals();
  } finally {
    await run.close();
  }
  announce('check', 'what the platform recorded against what was acknowledged');
  const outcome = { outFile: files.effects, sinceMs: origin.getTime() };
  const recorded = await testbed.runJob('facts', outcome);
  const opening: ArmRecord = {
    ...{ kind: 'arm', arm: name, design: arm.design, seed },
    originAt: origin.toISOString(),
  };
  const arrivals = await readArrivals(testbed, run.originUs);
  const records: HistoryRecord[] = [
    opening,
    ...run.phases,
    ...run.faults,
    ...run.metrics,
    ...arrivals,
  ];
  await input.history.append(records);
  for (const file of recorded ? Object.values(files) : [operationsFile]) {
    for await (const record of readHistory(file)) records.push(record);
    await input.history.appendFile(file);
  }
  return { run, loaded, totals, records };
}

/** The operator's own servers may run on this machine too, and the CPU time that they spend for the run is no disturbance. */
function seesEveryProcess({ nodes }: Testbed): boolean {
  return [...nodes.values()].every(({ pids }) => pids !== null);
}

/** By node; those without a version are left out. */
function versionsOf({ nodes }: Testbed): Readonly<Record<string, string>> {
  const known = [...nodes.values()].flatMap(({ name, version }) =>
    version === null ? [] : [[name, version] as const],
  );
  return Object.fromEntries(known);
}

function judge(
  { arm, options, earlier }: ArmInRunOptions,
  testbed: Testbed,
  { run, loaded, totals, records }: Recorded,
): Pick<ArmInRun, 'result' | 'judgement' | 'references'> {
  const { plan } = options;
  const { slos, invariants, tolerance, diagnosis } = plan;
  const { window, evidence } = loaded;
  return armResult({
    ...{ history: records, earlier, slos, invariants, tolerance },
    documented: arm.documented,
    lagLimitUs: LAG_LIMIT_US,
    culprit: diagnosis?.culprit ?? null,
    refusals: operationsOf(arm.phases)
      .filter(({ as }) => as === 'ended')
      .map(({ name }) => name),
    baseline: arm.phases.find(({ role }) => role === 'baseline')?.name ?? null,
    plannedFaults: arm.phases.flatMap(({ faults = [] }) => faults.map(({ name }) => name)),
    observed: {
      ...{ design: arm.design, description: arm.description, expected: arm.expected },
      mustFail: arm.mustFail,
      mayFail: arm.mayFail,
      phaseNotes: run.notes,
      costs: loaded.costs,
      capacity: loaded.capacity,
      calibration: loaded.calibration,
      databaseCpuPercent: window.utilisation === null ? null : window.utilisation * 100,
      evidence,
      resources: resourcesBetween(window, testbed.cores),
      otherCpu: seesEveryProcess(testbed)
        ? otherCpuBetween(window.from, run.cpu.samples.at(-1) ?? window.to)
        : null,
      resourceTimeline: resourceTimeline(run.cpu.samples, spanOf(run.phases) ?? window),
      totals,
      timedFromSend: timesFromSend(plan.generator?.tool ?? null),
    },
  });
}
