/**
 * One run, from plan to result: arms one after another on the same seed, then the verdict. The shell of the engine; what is decided is decided by pure functions, what touches the machine lives in effects.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { armInRun } from './arm-in-run.ts';
import { runComparison } from './comparison-run.ts';
import { HistoryFile } from './effects/history-file.ts';
import { requireLoadTool } from './effects/load/engine/start-load-tool.ts';
import { describeMachine } from './effects/observe/machine.ts';
import { machinePinPlan } from './effects/process/pin-machine.ts';
import { cleanBefore, type Testbed } from './effects/testbed/testbed.ts';
import { needsOwnCore, operationsOf } from './load-kinds.ts';
import type { EarlierArms } from './pure/judge-slos.ts';
import { type ArmJudgement, EXIT, judgeRun, sentenceOf } from './pure/verdict.ts';
import type { ArmName, ArmResult, Comparison, Environment, Result } from './result.ts';
import type { RunOptions, RunOutcome } from './run-options.ts';

interface Finished {
  readonly name: ArmName;
  readonly result: ArmResult;
  readonly judgement: ArmJudgement;
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
  await cleanBefore(note);
  const machine = await describeMachine();
  // Beside any other load a core of PostgreSQL's own would idle, and everything else share what is left.
  const hasOwnCore = needsOwnCore(plan.arms.flatMap(({ phases }) => phases));
  const cores = hasOwnCore ? machinePinPlan() : null;
  const history = new HistoryFile(path.join(folder, 'history.ndjson.gz'));

  const { arms } = plan;
  for (const text of plan.notes) note(text);
  let kept: Testbed | null = null;
  const finished: Finished[] = [];
  let versions: Readonly<Record<string, string>> = {};
  const users = new Map<ArmName, number>();
  let earlier: EarlierArms = {};
  let comparison: Comparison | undefined;
  let failure: unknown;
  try {
    for (const arm of arms) {
      const { name } = arm;
      const done = await armInRun({
        ...{ arm, runId, folder, cores, history, options, earlier },
        usersOf: (of) => users.get(of) ?? null,
        brokenPerSecond: brokenRate(finished),
        keep: options.keep && arm === arms.at(-1),
      });
      kept = done.kept;
      if (done.users !== null) users.set(name, done.users);
      earlier = { ...earlier, [name]: done.references };
      versions = done.versions;
      finished.push({ name, result: done.result, judgement: done.judgement });
      if (arm.expected === 'fail' && !done.judgement.asExpected) {
        note(`${name} did not show the documented failure; nothing can be judged against it`);
        break;
      }
    }
    if (finished.length === arms.length) comparison = await compared(options, { runId, folder });
  } catch (error) {
    if (!signal.aborted) failure = error;
  } finally {
    await history.close();
  }
  // Without a finished arm there is nothing to report; with one, a later failure must not lose it.
  if (failure !== undefined && finished.length === 0) throw failure;
  if (failure !== undefined) note(`stopped: ${(failure as Error).message}`);

  const result = resultOf(options, {
    runId,
    startedAt,
    aborted: signal.aborted || failure !== undefined,
    finished,
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
  onEvent({ type: 'kept', lines: linesOf(kept) });
  const { stop } = kept;
  return { result, folder, stopKept: () => stop() };
}

/** Before anything is made: what the run is to be driven by must be there. */
function requireGenerator({ plan: { generator, arms } }: RunOptions): void {
  if (generator === null) return;
  const { tool, ratePerSecond } = generator;
  const operations = operationsOf(arms.flatMap(({ phases }) => phases));
  requireLoadTool(tool, { ratePerSecond, operations });
}

async function compared(
  { plan: { comparison: spec, seed }, signal, onEvent }: RunOptions,
  { runId, folder }: { runId: string; folder: string },
): Promise<Comparison | undefined> {
  if (spec === null || signal.aborted) return undefined;
  const note = 'alternatives on the same trace';
  onEvent({ type: 'phase', arm: null, phase: 'comparison', note, plannedMs: null });
  return await runComparison({
    ...{ spec, runId: `${runId}-comparison`, seed, signal },
    logFolder: path.join(folder, 'logs', 'comparison'),
    onNote: (text) => onEvent({ type: 'note', text }),
  });
}

/** What stands, to be looked at. */
function linesOf({ nodes, targets }: Testbed): string[] {
  const width = Math.max(14, ...[...nodes.keys()].map((name) => name.length + 2));
  return [
    `${'kept running:'.padEnd(width)}${targets.map(({ url }) => url).join(' ')}`,
    ...[...nodes.values()].map(({ name, address: { url, namespace } }) => {
      const own = namespace === '' ? '' : ` (${namespace})`;
      return `${name.padEnd(width)}${url}${own}`;
    }),
  ];
}

/** A rate at which `before` was seen outside its SLO; null when it was not measured or held. */
function brokenRate(finished: readonly Finished[]): number | null {
  const before = finished.find(({ name }) => name === 'before');
  return before?.judgement.verdict === 'fail' ? before.result.offeredPerSecond : null;
}

function resultOf(
  options: RunOptions,
  run: {
    runId: string;
    startedAt: Date;
    aborted: boolean;
    finished: readonly Finished[];
    comparison: Comparison | undefined;
    environment: Environment;
  },
): Result {
  const { plan } = options;
  const arms = Object.fromEntries(run.finished.map(({ name, result }) => [name, result]));
  const judged = judgeRun(
    run.finished.map(({ name, result, judgement }) => ({
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
    exitCode: run.aborted ? EXIT.interrupted : judged.exitCode,
    sentence: run.aborted
      ? `${plan.id} aborted: ${run.finished.length} of ${plan.arms.length} arms finished, nothing is proven.`
      : sentenceOf(plan.id, judged, arms),
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
