/**
 * Runs one arm: starts its testbed, runs its phases, collects the history and stops the testbed. Pure functions judge
 * the history.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { HistoryFile } from '../effects/history-file.ts';
import { readHistory } from '../effects/load/engine/read-history.ts';
import type { SenderTotals } from '../effects/load/engine/sender.ts';
import { readArrivals } from '../effects/observe/arrivals.ts';
import type { PinPlan } from '../effects/process/pin-plan.ts';
import { DATA_SEED } from '../effects/testbed/templates/template-prepare.ts';
import { startTestbed, type Testbed } from '../effects/testbed/testbed.ts';
import type { ArmRecord, HistoryRecord } from '../history.ts';
import { operationsOf } from '../load-kinds.ts';
import type { PlannedArm } from '../plan/plan.ts';
import { armResult } from '../pure/judge/arm-result.ts';
import type { EarlierArms, SloReferences } from '../pure/judge/judge-slos.ts';
import type { ArmJudgement } from '../pure/judge/verdict.ts';
import { timesFromSend } from '../pure/load/load-tool.ts';
import { otherCpuBetween, resourcesBetween, resourceTimeline } from '../pure/measure/resources.ts';
import { spanOf } from '../pure/measure/series.ts';
import type { ArmResult } from '../result.ts';
import { ArmSession } from './arm-session.ts';
import type { RunOptions } from './run-options.ts';
import { type PhasesOptions, type PhasesOutcome, runPhases } from './run-phases.ts';

/** Send lag that voids a run: a tenth of the tightest latency SLO (200 ms). */
const LAG_LIMIT_US = 20_000;

export interface RunArmOptions extends Pick<PhasesOptions, 'populationOf' | 'failingPerSecond'> {
  readonly arm: PlannedArm;
  readonly runId: string;
  readonly folder: string;
  readonly cores: PinPlan | null;
  readonly history: HistoryFile;
  readonly options: RunOptions;
  /** References for SLOs that compare with an earlier arm. */
  readonly earlierArms: EarlierArms;
  /** Leave the testbed running; the caller stops it. */
  readonly keep: boolean;
}

export interface FinishedArm {
  readonly result: ArmResult;
  readonly judgement: ArmJudgement;
  readonly references: SloReferences;
  /** Population of the judged phase, for the arms that follow. */
  readonly users: number | null;
  /** By node. */
  readonly versions: Readonly<Record<string, string>>;
  /** The running testbed, with `keep`. */
  readonly kept: Testbed | null;
}

/** Everything recorded of the arm; its testbed still runs. */
interface RecordedArm {
  readonly session: ArmSession;
  readonly phasesOutcome: PhasesOutcome;
  readonly totals: SenderTotals;
  readonly records: readonly HistoryRecord[];
}

export async function runArm(input: RunArmOptions): Promise<FinishedArm> {
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
    onUnexpectedExit: ({ name: process, status, lastLines }) =>
      options.onEvent({
        type: 'note',
        text: `${process} ended by itself (${status}): ${lastLines.at(-1) ?? 'it said nothing'}`,
      }),
    signal: options.signal,
  });
  const files = {
    operations: path.join(input.folder, `${name}.operations.ndjson`),
    facts: path.join(input.folder, `${name}.facts.ndjson`),
  };
  let kept: Testbed | null = null;
  try {
    const recordedArm = await recordPhases(testbed, input, files, announce);
    const judged = judgeHistory(input, testbed, recordedArm);
    if (input.keep) kept = testbed;
    const { users } = recordedArm.phasesOutcome;
    return { ...judged, users, versions: nodeVersions(testbed), kept };
  } finally {
    if (kept === null) {
      announce('stop', 'removing the testbed');
      await testbed.stop();
    }
    // Their records are in the history, or the arm was not finished.
    for (const file of Object.values(files)) await rm(file, { force: true });
  }
}

async function recordPhases(
  testbed: Testbed,
  input: RunArmOptions,
  files: { readonly operations: string; readonly facts: string },
  announce: (phase: string, note: string) => void,
): Promise<RecordedArm> {
  const { arm, options } = input;
  const { plan, signal, onEvent } = options;
  const { name } = arm;
  const { seed } = plan;
  const { operations: operationsFile } = files;
  const session = await ArmSession.start({
    name,
    testbed,
    operationsFile,
    signal,
    onEvent,
    seed,
    requestIdPrefix: `${input.runId}:${name}:`,
    timeoutMs: plan.timeoutMs,
    tool: plan.generator?.tool ?? null,
  });
  const origin = new Date();
  let phasesOutcome: PhasesOutcome;
  let totals: SenderTotals;
  try {
    const { populationOf, failingPerSecond } = input;
    phasesOutcome = await runPhases(session, {
      plan,
      arm,
      signal,
      onEvent,
      populationOf,
      failingPerSecond,
      operationsFile,
      lagLimitUs: LAG_LIMIT_US,
    });
    totals = await session.load.totals();
  } finally {
    await session.close();
  }
  announce('check', 'what the platform recorded against what was acknowledged');
  const hasFacts = await testbed.runJob('facts', {
    outFile: files.facts,
    sinceMs: origin.getTime(),
  });
  const opening: ArmRecord = {
    kind: 'arm',
    arm: name,
    design: arm.design,
    seed,
    originAt: origin.toISOString(),
  };
  const arrivals = await readArrivals(testbed, session.originUs);
  const records: HistoryRecord[] = [
    opening,
    ...session.phases,
    ...session.faults,
    ...session.metrics,
    ...arrivals,
  ];
  await input.history.append(records);
  for (const file of hasFacts ? Object.values(files) : [operationsFile]) {
    for await (const record of readHistory(file)) records.push(record);
    await input.history.appendFile(file);
  }
  return { session, phasesOutcome, totals, records };
}

/** False with an operator's own server: its CPU time on this machine would be counted as other processes'. */
function seesEveryProcess({ nodes }: Testbed): boolean {
  return [...nodes.values()].every(({ pids }) => pids !== null);
}

/** By node; nodes without a version are omitted. */
function nodeVersions({ nodes }: Testbed): Readonly<Record<string, string>> {
  const known = [...nodes.values()].flatMap(({ name, version }) =>
    version === null ? [] : [[name, version] as const],
  );
  return Object.fromEntries(known);
}

function judgeHistory(
  { arm, options, earlierArms }: RunArmOptions,
  testbed: Testbed,
  { session, phasesOutcome, totals, records }: RecordedArm,
): Pick<FinishedArm, 'result' | 'judgement' | 'references'> {
  const { plan } = options;
  const { slos, invariants, tolerance, diagnosis } = plan;
  const { window, evidence } = phasesOutcome;
  return armResult({
    history: records,
    earlierArms,
    slos,
    invariants,
    tolerance,
    documented: arm.documented,
    lagLimitUs: LAG_LIMIT_US,
    culprit: diagnosis?.culprit ?? null,
    expectedRefusals: operationsOf(arm.phases)
      .filter(({ as }) => as === 'ended')
      .map(({ name }) => name),
    baseline: arm.phases.find(({ role }) => role === 'baseline')?.name ?? null,
    plannedFaults: arm.phases.flatMap(({ faults = [] }) => faults.map(({ name }) => name)),
    observed: {
      design: arm.design,
      description: arm.description,
      expected: arm.expected,
      mustFail: arm.mustFail,
      mayFail: arm.mayFail,
      phaseNotes: session.notes,
      costs: phasesOutcome.costs,
      capacity: phasesOutcome.capacity,
      calibration: phasesOutcome.calibration,
      databaseCpuPercent: window.utilisation === null ? null : window.utilisation * 100,
      evidence,
      resources: resourcesBetween(window, testbed.cores),
      otherCpu: seesEveryProcess(testbed)
        ? otherCpuBetween(window.from, session.cpu.samples.at(-1) ?? window.to)
        : null,
      resourceTimeline: resourceTimeline(session.cpu.samples, spanOf(session.phases) ?? window),
      totals,
      timedFromSend: timesFromSend(plan.generator?.tool ?? null),
    },
  });
}
