/**
 * One run, from plan to result: arms one after another on the same seed, then the verdict. The shell of the engine:
 * pure functions decide, effects touch the machine.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HistoryFile } from './effects/history-file.ts';
import { requireLoadTool } from './effects/load/engine/start-load-tool.ts';
import { describeMachine } from './effects/observe/machine.ts';
import { createFolder } from './effects/process/create-folder.ts';
import { descriptorLimit, descriptorProblem } from './effects/process/open-descriptors.ts';
import { machinePinPlan } from './effects/process/pin-machine.ts';
import { describeAddress } from './effects/testbed/published-addresses.ts';
import { cleanUpKilledRuns, type Testbed } from './effects/testbed/testbed.ts';
import { EnvironmentError } from './errors.ts';
import type { EndRecord, RunRecord } from './history.ts';
import { needsOwnCore, operationsOf } from './load-kinds.ts';
import { ResultBuilder } from './result/result-builder.ts';
import type { ArmName, Comparison } from './result.ts';
import { type RunArmOptions, runArm } from './run/run-arm.ts';
import { runComparison } from './run/run-comparison.ts';
import type { RunOptions, RunOutcome } from './run/run-options.ts';

/** Filled in arm by arm: a failure keeps the arms that finished before it. */
interface Progress {
  readonly builder: ResultBuilder;
  versions: Readonly<Record<string, string>>;
  comparison: Comparison | undefined;
  kept: Testbed | null;
}

export async function runScenario(options: RunOptions): Promise<RunOutcome> {
  const { plan, signal, onEvent } = options;
  requireGenerator(options);
  const startedAt = new Date();
  const runId = newRunId(startedAt);
  const folder = path.join(options.outDir, plan.id, runId);
  await createFolder(folder);
  onEvent({ type: 'run', runId, folder });
  const note = (text: string) => onEvent({ type: 'note', text });
  requireDescriptors(note);
  await cleanUpKilledRuns(note);
  const machine = await describeMachine();
  // Only a load calibrated on PostgreSQL's CPU needs a core for it; otherwise that core would idle.
  const hasOwnCore = needsOwnCore(plan.arms.flatMap(({ phases }) => phases));
  const cores = hasOwnCore ? machinePinPlan() : null;
  const history = new HistoryFile(path.join(folder, 'history.ndjson.gz'));

  for (const text of plan.notes) note(text);
  const run: RunRecord = {
    kind: 'run',
    runId,
    scenario: plan.id,
    startedAt: startedAt.toISOString(),
    command: options.command,
    options: plan.options,
    environment: { ...machine, pinned: cores !== null },
  };
  const builder = new ResultBuilder(plan, run);
  const progress: Progress = { builder, versions: {}, comparison: undefined, kept: null };
  let failure: unknown;
  try {
    await history.append([run]);
    await runArms(options, { runId, folder, cores, history }, progress);
  } catch (error) {
    if (!signal.aborted) failure = error;
  }
  const aborted = signal.aborted || failure !== undefined;
  const end = endRecord(progress, Date.now() - startedAt.getTime(), aborted);
  await noteFailure(note, 'the history is not whole', async () => {
    await history.append([end]);
    await history.close();
  });
  // With no finished arm there is nothing to report; with one, its result is written before the failure is thrown.
  if (failure !== undefined && builder.judgedArms.length === 0) throw failure;
  if (failure !== undefined) note(`stopped: ${(failure as Error).message}`);

  const result = builder.build(end);
  await noteFailure(note, 'result.json was not written', () =>
    writeFile(path.join(folder, 'result.json'), `${JSON.stringify(result, null, 2)}\n`),
  );
  if (failure !== undefined) throw failure;
  const { kept } = progress;
  if (kept === null) return { result, folder };
  onEvent({ type: 'kept', lines: describeKept(kept) });
  const { stop } = kept;
  return { result, folder, stopKept: () => stop() };
}

/** What fails after the measurement must not cost its verdict. */
async function noteFailure(
  note: (text: string) => void,
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    note(`${what}: ${(error as Error).message}`);
  }
}

function endRecord(
  { builder, versions, comparison }: Progress,
  durationMs: number,
  aborted: boolean,
): EndRecord {
  const arms = builder.judgedArms.map(({ name }) => name);
  const end: EndRecord = { kind: 'end', durationMs, aborted, arms, versions };
  return comparison === undefined ? end : { ...end, comparison };
}

/** Runs the arms in order, until one that should show the documented failure does not; then the comparison. */
async function runArms(
  options: RunOptions,
  context: Pick<RunArmOptions, 'runId' | 'folder' | 'cores' | 'history'>,
  progress: Progress,
): Promise<void> {
  const { arms } = options.plan;
  const { builder } = progress;
  const users = new Map<ArmName, number>();
  for (const arm of arms) {
    const { name } = arm;
    const finished = await runArm({
      ...context,
      arm,
      options,
      populationOf: (of) => users.get(of) ?? null,
      keep: options.keep && arm === arms.at(-1),
    });
    progress.kept = finished.kept;
    progress.versions = finished.versions;
    if (finished.users !== null) users.set(name, finished.users);
    const { judgement } = builder.judgeArm(name, finished.records);
    if (arm.expected === 'fail' && !judgement.asExpected) {
      const text = `${name} did not show the documented failure; nothing can be judged against it`;
      options.onEvent({ type: 'note', text });
      break;
    }
  }
  if (builder.judgedArms.length === arms.length)
    progress.comparison = await runPlannedComparison(options, context);
}

/** Fails before anything is started when the generator is not installed. */
function requireGenerator({ plan: { generator, arms } }: RunOptions): void {
  if (generator === null) return;
  const { tool, ratePerSecond } = generator;
  const operations = operationsOf(arms.flatMap(({ phases }) => phases));
  requireLoadTool(tool, { ratePerSecond, operations });
}

/** A limit that some loads meet is only noted: the validity checks name it if this one did. */
function requireDescriptors(note: (text: string) => void): void {
  const problem = descriptorProblem(descriptorLimit());
  if (problem === null) return;
  const { why, next, stopsRun } = problem;
  if (stopsRun)
    throw new EnvironmentError({ what: 'there are too few file descriptors', why, next });
  note(why);
}

async function runPlannedComparison(
  { plan: { comparison: spec, seed }, signal, onEvent }: RunOptions,
  { runId, folder }: { runId: string; folder: string },
): Promise<Comparison | undefined> {
  if (spec === null || signal.aborted) return undefined;
  const note = 'alternatives on the same trace';
  onEvent({ type: 'phase', arm: null, phase: 'comparison', note, plannedMs: null });
  return await runComparison({
    spec,
    runId: `${runId}-comparison`,
    seed,
    signal,
    logFolder: path.join(folder, 'logs', 'comparison'),
    onNote: (text) => onEvent({ type: 'note', text }),
  });
}

/** Addresses of the kept testbed. */
function describeKept({ nodes, targets, lease }: Testbed): string[] {
  const width = Math.max(14, ...[...nodes.keys()].map((name) => name.length + 2));
  return [
    `${'kept running:'.padEnd(width)}${targets.map(({ url }) => url).join(' ')}`,
    ...[...nodes.values()].map((node) => {
      const { namespace } = node.address;
      const own = namespace === '' ? '' : ` (${namespace})`;
      return `${node.name.padEnd(width)}${describeAddress(lease, node)}${own}`;
    }),
  ];
}

/** Sortable by time, unique on a machine, valid as a folder, a schema and a key prefix. */
function newRunId(now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace(/\..*/, '').replace('T', '-');
  return `${stamp}-${randomBytes(3).toString('hex')}`;
}
