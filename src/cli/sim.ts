/**
 * `platform sim`: runs scenarios one after another, writes their reports and prints the verdict. stdout
 * carries the verdict blocks or one JSON document; everything else goes to stderr.
 */
import path from 'node:path';
import type { FormatName } from '../report/formats.ts';
import { writeManifest } from '../sim/effects/evidence.ts';
import type { Plan } from '../sim/plan.ts';
import type { LoadTool } from '../sim/pure/load-tool.ts';
import { resolve } from '../sim/resolve.ts';
import type { RunOutcome, RunScenario } from '../sim/run-options.ts';
import type { Scenario } from '../sim/scenario.ts';
import type { Session } from './crash.ts';
import { explainError } from './crash.ts';
import { worstExitCode } from './exit-code.ts';
import type { Interrupts } from './interrupts.ts';
import { listenForInterrupts } from './interrupts.ts';
import type { Io, ProcessHooks } from './io.ts';
import { wantsColor, widthOf } from './io.ts';
import { openProgress } from './open-progress.ts';
import type { Progress } from './progress.ts';
import { parseArms, resolveScenarios } from './scenario-lookup.ts';
import { simSummary } from './sim-summary.ts';
import { wrap } from './text-table.ts';
import { ensureFolder, linkLatest, shownPath, writeReports } from './write-reports.ts';

export interface SimFlags {
  readonly design: string;
  readonly seed: number;
  readonly rate?: number;
  readonly duration?: number;
  readonly load?: LoadTool;
  readonly quick: boolean;
  readonly repeat: number;
  readonly out: string;
  readonly format: readonly FormatName[];
  readonly json: boolean;
  readonly quiet: boolean;
  readonly keep: boolean;
  readonly swapArms: boolean;
  readonly color: boolean;
}

export interface SimDeps {
  readonly scenarios: readonly Scenario[];
  readonly runScenario: RunScenario;
  readonly io: Io;
  readonly process: ProcessHooks;
  readonly session: Session;
}

interface Planned {
  readonly plan: Plan;
  /** `2/3` of a repeated run, else empty. */
  readonly turn: string;
  readonly isLast: boolean;
}

/** Returns the exit code. Throws only operator errors and bugs, once what was running has stopped. */
export async function runSim(
  names: readonly string[],
  flags: SimFlags,
  deps: SimDeps,
): Promise<number> {
  deps.session.seed = flags.seed;
  const scenarios = await resolveScenarios(names, deps.scenarios);
  const runs = planRuns(scenarios, flags);
  await ensureFolder(path.resolve(flags.out));

  const finished: RunOutcome[] = [];
  let progress: Progress | null = null;
  let exitCode: number | null = null;
  const interrupts = listenForInterrupts(deps.process, () => progress?.stopping());
  try {
    for (const run of runs) {
      progress = await openProgress({
        io: deps.io,
        quiet: flags.quiet,
        color: flags.color,
        heading: heading(run),
        title: run.plan.title,
      });
      const outcome = await runOne(run, flags, deps, { progress, interrupts });
      if (outcome === null) break;
      finished.push(outcome);
      await finishRun(outcome, run, flags, deps.io, runs.length);
      if (interrupts.exitCode() !== null) break;
    }
    // Ctrl-C while a kept testbed is looked at ends the looking; the verdict stands.
    exitCode =
      interrupts.exitCode() ?? worstExitCode(finished.map(({ result }) => result.exitCode));
  } finally {
    deps.io.stdout.write(closingWords(runs, finished, { flags, io: deps.io, exitCode }));
    await endKept(finished.at(-1), interrupts.signal, deps);
    interrupts.dispose();
  }
  return exitCode;
}

/** After the last run, or before the error that ended them: the one document, or the summary of several runs. */
function closingWords(
  runs: readonly Planned[],
  finished: readonly RunOutcome[],
  { flags, io, exitCode }: { flags: SimFlags; io: Io; exitCode: number | null },
): string {
  const stopped = finished.length === 0 && exitCode === null;
  if (flags.json) {
    return runs.length > 1 || finished.length > 0 ? jsonDocument(finished, runs.length) : '';
  }
  if (runs.length === 1 || stopped) return '';
  const planned = runs.map(({ plan }) => plan.id);
  return simSummary({ planned, finished, seed: flags.seed, exitCode, width: widthOf(io.stdout) });
}

/** `--keep`: the testbed lives as long as this process, so the process waits for Ctrl-C. */
async function endKept(
  outcome: RunOutcome | undefined,
  signal: AbortSignal,
  { io, session }: SimDeps,
): Promise<void> {
  if (outcome?.stopKept === undefined) return;
  session.cleanup = outcome.stopKept;
  io.stderr.write('press Ctrl-C to stop and remove it\n');
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }
  await outcome.stopKept();
  // The kept processes went on writing their logs.
  await writeManifest(outcome.folder);
  session.cleanup = null;
}

function planRuns(scenarios: readonly Scenario[], flags: SimFlags): readonly Planned[] {
  const runs = scenarios.flatMap((scenario) => {
    const plan = resolve(scenario, {
      ...{ quick: flags.quick, seed: flags.seed, swapArms: flags.swapArms },
      ...{ ratePerSecond: flags.rate, durationMs: flags.duration, tool: flags.load },
      arms: parseArms(flags.design),
    });
    return Array.from({ length: flags.repeat }, (_, index) => ({
      plan,
      turn: flags.repeat === 1 ? '' : `${index + 1}/${flags.repeat}`,
    }));
  });
  return runs.map((run, index) => ({ ...run, isLast: index === runs.length - 1 }));
}

/** Null when the run was interrupted before it had anything to report. */
async function runOne(
  run: Planned,
  flags: SimFlags,
  deps: SimDeps,
  live: { progress: Progress; interrupts: Interrupts },
): Promise<RunOutcome | null> {
  const { progress, interrupts } = live;
  const crash = new AbortController();
  const running = deps.runScenario({
    plan: run.plan,
    outDir: path.resolve(flags.out),
    keep: flags.keep && run.isLast,
    command: deps.session.command,
    signal: AbortSignal.any([interrupts.signal, crash.signal]),
    onEvent: (event) => progress.onEvent(event),
  });
  deps.session.cleanup = async () => {
    crash.abort(new Error('platform crashed'));
    await Promise.allSettled([running]);
    await progress.close();
  };
  try {
    const outcome = await running;
    await progress.close();
    return outcome;
  } catch (error) {
    await progress.close();
    if (interrupts.exitCode() === null) throw error;
    if (error !== interrupts.signal.reason && !isAbort(error)) {
      deps.io.stderr.write(`${explainError(error, deps.session).text}\n`);
    }
    deps.io.stderr.write('stopped before there was anything to report\n');
    return null;
  } finally {
    deps.session.cleanup = null;
  }
}

async function finishRun(
  outcome: RunOutcome,
  run: Planned,
  flags: SimFlags,
  io: Io,
  total: number,
): Promise<void> {
  const { result, folder } = outcome;
  await writeReports(result, folder, flags.format);
  await writeManifest(folder);
  await linkLatest(folder);
  if (flags.json) return;
  if (run.turn !== '') {
    const lead = `${run.turn}  `;
    const lines = wrap(result.sentence, widthOf(io.stdout) - lead.length);
    io.stdout.write(`${lead}${lines.join(`\n${' '.repeat(lead.length)}`)}\n`);
    return;
  }
  const { renderConsole } = await import('../report/console.ts');
  const color = wantsColor(io, io.stdout, flags.color);
  const options = { color, width: widthOf(io.stdout), folder: shownPath(folder) };
  io.stdout.write(renderConsole(result, options));
  if (total > 1) io.stdout.write('\n');
}

function heading({ plan, turn }: Planned): string {
  const words = ['platform sim', plan.id, plan.scale === 'quick' ? '--quick' : ''];
  const parts = [words.filter((word) => word !== '').join(' '), `seed ${plan.seed}`];
  return [...parts, turn === '' ? '' : `run ${turn}`].filter((p) => p !== '').join(' · ');
}

/** One run is its result; several are `{"runs": [...]}`, with what was finished before a failure. */
function jsonDocument(finished: readonly RunOutcome[], planned: number): string {
  const results = finished.map(({ result }) => result);
  return `${JSON.stringify(planned === 1 ? results[0] : { runs: results }, null, 2)}\n`;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
