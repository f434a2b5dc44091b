/**
 * Runs one arm: starts its testbed, runs its phases, collects the history and stops the testbed. Its result is made from
 * the history alone, see result/result-builder.ts.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { HistoryFile } from '../effects/history-file.ts';
import { wallClockAtOrigin } from '../effects/load/engine/monotonic-clock.ts';
import { keepWholeLines, readHistory } from '../effects/load/engine/read-history.ts';
import { readArrivals } from '../effects/observe/arrivals.ts';
import {
  limitOfExit,
  limitOfGenerator,
  limitOfGroup,
  type MemoryKills,
  readMemoryKills,
} from '../effects/observe/memory-kills.ts';
import type { PinPlan } from '../effects/process/pin-plan.ts';
import { DATA_SEED } from '../effects/testbed/templates/template-prepare.ts';
import { startTestbed, type Testbed } from '../effects/testbed/testbed.ts';
import type { ArmRecord, HistoryRecord, MeasurementRecord } from '../history.ts';
import type { PlannedArm } from '../plan/plan.ts';
import type { MachineLimit, SenderTotals } from '../pure/judge/measurements.ts';
import { SEND_LAG_LIMIT_US } from '../pure/judge/validity.ts';
import { otherCpuBetween, resourcesBetween, resourceTimeline } from '../pure/measure/resources.ts';
import { spanOf } from '../pure/measure/series.ts';
import { ArmSession } from './arm-session.ts';
import type { RunOptions } from './run-options.ts';
import { type PhasesOptions, type PhasesOutcome, runPhases } from './run-phases.ts';

export interface RunArmOptions extends Pick<PhasesOptions, 'populationOf'> {
  readonly arm: PlannedArm;
  readonly runId: string;
  readonly folder: string;
  readonly cores: PinPlan | null;
  readonly history: HistoryFile;
  readonly options: RunOptions;
  /** Leave the testbed running; the caller stops it. */
  readonly keep: boolean;
}

export interface FinishedArm {
  /** Its history, whole. */
  readonly records: readonly HistoryRecord[];
  /** Population of the judged phase, for the arms that follow. */
  readonly users: number | null;
  /** By node. */
  readonly versions: Readonly<Record<string, string>>;
  /** The running testbed, with `keep`. */
  readonly kept: Testbed | null;
}

export async function runArm(input: RunArmOptions): Promise<FinishedArm> {
  const { arm, options, runId } = input;
  const { name } = arm;
  const announce = (phase: string, note: string) =>
    options.onEvent({ type: 'phase', arm: name, phase, note, plannedMs: null });
  announce('start', Object.keys(arm.topology.nodes).join(', '));
  const kills = readMemoryKills();
  const limits: MachineLimit[] = [];
  const testbed = await startTestbed({
    runId: `${runId}-${name}`,
    logFolder: path.join(input.folder, 'logs', name),
    topology: arm.topology,
    seed: DATA_SEED,
    faultSeed: options.plan.seed,
    cores: input.cores,
    onNote: (text) => options.onEvent({ type: 'note', text }),
    onUnexpectedExit: (notice) => {
      const { name: process, status, lastLines } = notice;
      const limit = limitOfExit(notice, kills);
      if (limit !== null) limits.push(limit);
      const text = `${process} ended by itself (${status}): ${lastLines.at(-1) ?? 'it said nothing'}`;
      options.onEvent({ type: 'note', text });
    },
    signal: options.signal,
  });
  const files = {
    operations: path.join(input.folder, `${name}.operations.ndjson`),
    facts: path.join(input.folder, `${name}.facts.ndjson`),
  };
  const cleanUp = async () => {
    announce('stop', 'removing the testbed');
    await testbed.stop();
  };
  try {
    const { records, users } = await recordPhases(testbed, input, files, {
      announce,
      kills,
      limits,
    });
    const finished = { records, users, versions: nodeVersions(testbed) };
    if (input.keep) return { ...finished, kept: testbed };
    await cleanUp().catch((error: Error) => {
      // What was recorded counts; the next run removes what is left.
      const text = `the testbed was not removed: ${error.message}; platform doctor names what is left`;
      options.onEvent({ type: 'note', text });
    });
    return { ...finished, kept: null };
  } catch (error) {
    await cleanUp();
    throw error;
  } finally {
    // Their records are in the history, or the arm was not finished.
    for (const file of Object.values(files)) await rm(file, { force: true });
  }
}

interface ArmWatch {
  readonly announce: (phase: string, note: string) => void;
  /** As they were before the arm. */
  readonly kills: MemoryKills;
  /** Grows while the arm runs. */
  readonly limits: MachineLimit[];
}

async function recordPhases(
  testbed: Testbed,
  input: RunArmOptions,
  files: { readonly operations: string; readonly facts: string },
  { announce, kills, limits }: ArmWatch,
): Promise<Pick<FinishedArm, 'records' | 'users'>> {
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
  const origin = wallClockAtOrigin(session.nowUs);
  const { phasesOutcome, totals } = await playPhases(
    session,
    {
      plan,
      arm,
      signal,
      onEvent,
      populationOf: input.populationOf,
      operationsFile,
      lagLimitUs: SEND_LAG_LIMIT_US,
    },
    { kills, limits },
  );
  if (limits.length === 0) limits.push(...limitOfGroup(kills));
  // Its own connections to the processes are closed now.
  if (plan.invariants.some(({ needsRest }) => needsRest === true)) await session.readRest('after');
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
    ...session.rest,
    ...arrivals,
  ];
  await input.history.append(records);
  for (const file of hasFacts ? Object.values(files) : [operationsFile]) {
    for await (const record of readHistory(file)) records.push(record);
    await input.history.appendFile(file);
  }
  const measured = measurementsOf(testbed, session, phasesOutcome, { totals, limits });
  records.push(measured);
  await input.history.append([measured]);
  return { records, users: phasesOutcome.users };
}

function measurementsOf(
  testbed: Testbed,
  { notes, cpu, phases }: ArmSession,
  { window, costs, search, calibration, evidence }: PhasesOutcome,
  { totals, limits }: { totals: SenderTotals; limits: readonly MachineLimit[] },
): MeasurementRecord {
  const { samples } = cpu;
  return {
    kind: 'measured',
    phaseNotes: notes,
    costs,
    search,
    evidence,
    calibration,
    resources: resourcesBetween(window, testbed.cores),
    resourceTimeline: resourceTimeline(samples, spanOf(phases) ?? window),
    databaseCpuPercent: window.utilisation === null ? null : window.utilisation * 100,
    otherCpu: seesEveryProcess(testbed)
      ? otherCpuBetween(window.from, samples.at(-1) ?? window.to)
      : null,
    totals,
    ...(limits.length > 0 && { limits }),
  };
}

/** A generator that ended by a limit of the machine leaves what was measured until then: the limit is what is reported. */
async function playPhases(
  session: ArmSession,
  options: PhasesOptions,
  { kills, limits }: Pick<ArmWatch, 'kills' | 'limits'>,
): Promise<{ phasesOutcome: PhasesOutcome; totals: SenderTotals }> {
  let lost: MachineLimit | null = null;
  try {
    const phasesOutcome = await runPhases(session, options);
    return { phasesOutcome, totals: await session.load.totals() };
  } catch (error) {
    lost = options.signal.aborted ? null : limitOfGenerator(error, kills);
    if (lost === null) throw error;
    limits.push(lost);
    options.onEvent({ type: 'note', text: lost.what });
    const nothing = { users: null, calibration: [], evidence: null, costs: [], search: null };
    return {
      phasesOutcome: { ...nothing, window: session.windowSoFar() },
      totals: session.load.lastTotals,
    };
  } finally {
    await session.close().catch((error: Error) => {
      if (lost === null) throw error;
    });
    if (lost !== null) await keepWholeLines(options.operationsFile);
  }
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
