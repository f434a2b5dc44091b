/**
 * One run, from plan to result: arms one after another on the same seed, then the verdict. The shell of the engine:
 * pure functions decide, effects touch the machine.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HistoryFile } from './effects/history-file.ts';
import { requireLoadTool } from './effects/load/engine/start-load-tool.ts';
import { describeMachine } from './effects/observe/machine.ts';
import { machinePinPlan } from './effects/process/pin-machine.ts';
import { cleanUpKilledRuns, type Testbed } from './effects/testbed/testbed.ts';
import { needsOwnCore, operationsOf } from './load-kinds.ts';
import { exitCodes } from './pure/exit-code.ts';
import type { EarlierArms } from './pure/judge/judge-slos.ts';
import { type ArmJudgement, judgeRun, verdictSentence } from './pure/judge/verdict.ts';
import type { ArmName, ArmResult, Comparison, Environment, Result } from './result.ts';
import { type RunArmOptions, runArm } from './run/run-arm.ts';
import { runComparison } from './run/run-comparison.ts';
import type { RunOptions, RunOutcome } from './run/run-options.ts';

interface JudgedArm {
  readonly name: ArmName;
  readonly result: ArmResult;
  readonly judgement: ArmJudgement;
}

/** Filled in arm by arm: a failure keeps the arms that finished before it. */
interface Progress {
  readonly judgedArms: JudgedArm[];
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
  await mkdir(folder, { recursive: true });
  onEvent({ type: 'run', runId, folder });
  const note = (text: string) => onEvent({ type: 'note', text });
  await cleanUpKilledRuns(note);
  const machine = await describeMachine();
  // Only a load calibrated on PostgreSQL's CPU needs a core for it; otherwise that core would idle.
  const hasOwnCore = needsOwnCore(plan.arms.flatMap(({ phases }) => phases));
  const cores = hasOwnCore ? machinePinPlan() : null;
  const history = new HistoryFile(path.join(folder, 'history.ndjson.gz'));

  for (const text of plan.notes) note(text);
  const progress: Progress = { judgedArms: [], versions: {}, comparison: undefined, kept: null };
  let failure: unknown;
  try {
    await runArms(options, { runId, folder, cores, history }, progress);
  } catch (error) {
    if (!signal.aborted) failure = error;
  } finally {
    await history.close();
  }
  // With no finished arm there is nothing to report; with one, its result is written before the failure is thrown.
  const { judgedArms, versions, comparison, kept } = progress;
  if (failure !== undefined && judgedArms.length === 0) throw failure;
  if (failure !== undefined) note(`stopped: ${(failure as Error).message}`);

  const result = buildResult(options, {
    runId,
    startedAt,
    aborted: signal.aborted || failure !== undefined,
    judgedArms,
    comparison,
    environment: {
      ...machine,
      versions,
      pinned: cores !== null,
    },
  });
  await writeFile(path.join(folder, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
  if (failure !== undefined) throw failure;
  if (kept === null) return { result, folder };
  onEvent({ type: 'kept', lines: describeKept(kept) });
  const { stop } = kept;
  return { result, folder, stopKept: () => stop() };
}

/** Runs the arms in order, until one that should show the documented failure does not; then the comparison. */
async function runArms(
  options: RunOptions,
  context: Pick<RunArmOptions, 'runId' | 'folder' | 'cores' | 'history'>,
  progress: Progress,
): Promise<void> {
  const { arms } = options.plan;
  const { judgedArms } = progress;
  const users = new Map<ArmName, number>();
  let earlierArms: EarlierArms = {};
  for (const arm of arms) {
    const { name } = arm;
    const { result, judgement, ...finished } = await runArm({
      ...context,
      arm,
      options,
      earlierArms,
      populationOf: (of) => users.get(of) ?? null,
      failingPerSecond: failingRate(judgedArms),
      keep: options.keep && arm === arms.at(-1),
    });
    progress.kept = finished.kept;
    progress.versions = finished.versions;
    if (finished.users !== null) users.set(name, finished.users);
    earlierArms = { ...earlierArms, [name]: finished.references };
    judgedArms.push({ name, result, judgement });
    if (arm.expected === 'fail' && !judgement.asExpected) {
      const text = `${name} did not show the documented failure; nothing can be judged against it`;
      options.onEvent({ type: 'note', text });
      break;
    }
  }
  if (judgedArms.length === arms.length)
    progress.comparison = await runPlannedComparison(options, context);
}

/** Fails before anything is started when the generator is not installed. */
function requireGenerator({ plan: { generator, arms } }: RunOptions): void {
  if (generator === null) return;
  const { tool, ratePerSecond } = generator;
  const operations = operationsOf(arms.flatMap(({ phases }) => phases));
  requireLoadTool(tool, { ratePerSecond, operations });
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
function describeKept({ nodes, targets }: Testbed): string[] {
  const width = Math.max(14, ...[...nodes.keys()].map((name) => name.length + 2));
  return [
    `${'kept running:'.padEnd(width)}${targets.map(({ url }) => url).join(' ')}`,
    ...[...nodes.values()].map(({ name, address: { url, namespace } }) => {
      const own = namespace === '' ? '' : ` (${namespace})`;
      return `${name.padEnd(width)}${url}${own}`;
    }),
  ];
}

/** A rate at which `before` missed its SLO; null when it was not measured or held. */
function failingRate(judgedArms: readonly JudgedArm[]): number | null {
  const before = judgedArms.find(({ name }) => name === 'before');
  return before?.judgement.verdict === 'fail' ? before.result.offeredPerSecond : null;
}

function buildResult(
  options: RunOptions,
  run: {
    runId: string;
    startedAt: Date;
    aborted: boolean;
    judgedArms: readonly JudgedArm[];
    comparison: Comparison | undefined;
    environment: Environment;
  },
): Result {
  const { plan } = options;
  const arms = Object.fromEntries(run.judgedArms.map(({ name, result }) => [name, result]));
  const judged = judgeRun(
    run.judgedArms.map(({ name, result, judgement }) => ({
      ...judgement,
      name,
      expected: result.expected,
    })),
  );
  const verdict = run.aborted ? 'unknown' : judged.verdict;
  return {
    schema: 'platform-sim/result@2',
    scenario: plan.id,
    title: plan.title,
    question: plan.question,
    situation: plan.situation,
    runId: run.runId,
    startedAt: run.startedAt.toISOString(),
    durationMs: Date.now() - run.startedAt.getTime(),
    verdict,
    exitCode: run.aborted ? exitCodes.SIGINT : judged.exitCode,
    sentence: run.aborted
      ? `${plan.id} aborted: ${run.judgedArms.length} of ${plan.arms.length} arms finished, nothing is proven.`
      : verdictSentence(plan.id, judged, arms),
    aborted: run.aborted,
    seed: plan.seed,
    quick: plan.scale === 'quick',
    scaleNote: plan.scaleNote,
    command: options.command,
    environment: run.environment,
    failed: judged.failed,
    arms,
    ...(run.comparison && { comparison: run.comparison }),
  };
}

/** Sortable by time, unique on a machine, valid as a folder, a schema and a key prefix. */
function newRunId(now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace(/\..*/, '').replace('T', '-');
  return `${stamp}-${randomBytes(3).toString('hex')}`;
}
