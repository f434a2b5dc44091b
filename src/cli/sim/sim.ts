/**
 * `platform sim`: runs scenarios one after another, writes their reports and prints the verdict. stdout
 * carries the verdict blocks or one JSON document; everything else goes to stderr.
 */
import path from 'node:path';
import type { FormatName } from '../../report/formats.ts';
import { wrap } from '../../report/terminal-text.ts';
import { writeManifest } from '../../sim/effects/evidence.ts';
import { OperatorError } from '../../sim/errors.ts';
import type { Plan } from '../../sim/plan/plan.ts';
import { worstExitCode } from '../../sim/pure/exit-code.ts';
import type { LoadTool } from '../../sim/pure/load/load-tool.ts';
import type { RunOutcome, RunScenario } from '../../sim/run/run-options.ts';
import type { Scenario } from '../../sim/scenario.ts';
import type { CommandContext } from '../crash.ts';
import { explainError } from '../crash.ts';
import {
  displayPath,
  linkLatest,
  requireWritable,
  writeReports,
} from '../finished-run/write-reports.ts';
import type { Interrupts } from '../interrupts.ts';
import { listenForInterrupts } from '../interrupts.ts';
import type { Io, ProcessHooks } from '../io.ts';
import { colorText, supportsColor, terminalWidth } from '../io.ts';
import { openProgress } from '../progress/open-progress.ts';
import type { Progress } from '../progress/progress.ts';
import { parseArms, planOf, resolveScenarios } from './scenario-lookup.ts';
import { formatSimSummary } from './sim-summary.ts';

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
  readonly context: CommandContext;
}

interface PlannedRun {
  readonly plan: Plan;
  /** `2/3` of a repeated run, else empty. */
  readonly repetition: string;
  readonly isLast: boolean;
}

/** Returns the exit code. Whatever it throws, it has stopped the run first. */
export async function runSim(
  names: readonly string[],
  flags: SimFlags,
  deps: SimDeps,
): Promise<number> {
  deps.context.seed = flags.seed;
  deps.context.hasVerdict = true;
  const scenarios = await resolveScenarios(names, deps.scenarios);
  const runs = planRuns(scenarios, flags);
  for (const id of new Set(runs.map(({ plan }) => plan.id)))
    await requireWritable(path.join(path.resolve(flags.out), id));

  const finished: RunOutcome[] = [];
  let progress: Progress | null = null;
  let exitCode: number | null = null;
  const interrupts = listenForInterrupts(deps.process, () => progress?.showStopping());
  try {
    for (const run of runs) {
      progress = await openProgress({
        io: deps.io,
        quiet: flags.quiet,
        color: flags.color,
        heading: formatHeading(run),
        title: run.plan.title,
      });
      const outcome = await runOne(run, flags, deps, { progress, interrupts });
      if (outcome === null) break;
      finished.push(outcome);
      await finishRun(outcome, run, flags, deps.io, runs.length);
      if (interrupts.exitCode() !== null) break;
    }
    // Taken before the wait for --keep: Ctrl-C then stops the testbed and does not change the exit code.
    exitCode =
      interrupts.exitCode() ?? worstExitCode(finished.map(({ result }) => result.exitCode));
  } finally {
    deps.io.stdout.write(formatClosing(runs, finished, { flags, io: deps.io, exitCode }));
    await holdKeptTestbed(finished.at(-1), interrupts.signal, deps);
    interrupts.dispose();
  }
  return exitCode;
}

/** Printed last, also before an error: the JSON document, or the summary of several runs. */
function formatClosing(
  runs: readonly PlannedRun[],
  finished: readonly RunOutcome[],
  { flags, io, exitCode }: { flags: SimFlags; io: Io; exitCode: number | null },
): string {
  const hasNothing = finished.length === 0 && exitCode === null;
  if (flags.json) {
    return runs.length > 1 || finished.length > 0 ? formatJson(finished, runs.length) : '';
  }
  if (runs.length === 1 || hasNothing) return '';
  const planned = runs.map(({ plan }) => plan.id);
  return formatSimSummary({
    planned,
    finished,
    seed: flags.seed,
    exitCode,
    width: terminalWidth(io.stdout),
  });
}

/** `--keep`: waits for Ctrl-C, because the testbed ends with this process. */
async function holdKeptTestbed(
  outcome: RunOutcome | undefined,
  signal: AbortSignal,
  { io, context }: SimDeps,
): Promise<void> {
  if (outcome?.stopKept === undefined) return;
  context.cleanup = outcome.stopKept;
  io.stderr.write('press Ctrl-C to stop and remove it\n');
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }
  await outcome.stopKept();
  // The kept processes have written to their logs since.
  await writeManifest(outcome.folder);
  context.cleanup = null;
}

function planRuns(scenarios: readonly Scenario[], flags: SimFlags): readonly PlannedRun[] {
  const runs = scenarios.flatMap((scenario) => {
    const plan = planOf(scenario, {
      quick: flags.quick,
      seed: flags.seed,
      swapArms: flags.swapArms,
      ratePerSecond: flags.rate,
      durationMs: flags.duration,
      tool: flags.load,
      arms: parseArms(flags.design),
    });
    return Array.from({ length: flags.repeat }, (_, index) => ({
      plan,
      repetition: flags.repeat === 1 ? '' : `${index + 1}/${flags.repeat}`,
    }));
  });
  return runs.map((run, index) => ({ ...run, isLast: index === runs.length - 1 }));
}

/** Null if the run was interrupted before it had a result. */
async function runOne(
  run: PlannedRun,
  flags: SimFlags,
  deps: SimDeps,
  controls: { progress: Progress; interrupts: Interrupts },
): Promise<RunOutcome | null> {
  const { progress, interrupts } = controls;
  const crash = new AbortController();
  const running = deps.runScenario({
    plan: run.plan,
    outDir: path.resolve(flags.out),
    keep: flags.keep && run.isLast,
    command: deps.context.command,
    signal: AbortSignal.any([interrupts.signal, crash.signal]),
    onEvent: (event) => progress.onEvent(event),
  });
  deps.context.cleanup = async () => {
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
      deps.io.stderr.write(`${explainError(error, deps.context).text}\n`);
    }
    deps.io.stderr.write('stopped before there was a result to report\n');
    return null;
  } finally {
    deps.context.cleanup = null;
  }
}

async function finishRun(
  outcome: RunOutcome,
  run: PlannedRun,
  flags: SimFlags,
  io: Io,
  total: number,
): Promise<void> {
  const { result, folder } = outcome;
  // First, because a report that cannot be written must not cost the verdict.
  if (!flags.json) await printVerdict(outcome, run, flags, io, total);
  const lateSteps = [
    () => writeReports(result, folder, flags.format),
    () => writeManifest(folder),
    () => linkLatest(folder),
  ];
  for (const step of lateSteps) {
    try {
      await step();
    } catch (error) {
      io.stderr.write(`warning: ${describeFailure(error)}; the verdict stands\n`);
    }
  }
}

function describeFailure(error: unknown): string {
  if (error instanceof OperatorError) return `${error.what}: ${error.why}`;
  return error instanceof Error ? error.message : String(error);
}

async function printVerdict(
  { result, folder }: RunOutcome,
  run: PlannedRun,
  flags: SimFlags,
  io: Io,
  total: number,
): Promise<void> {
  if (run.repetition !== '') {
    const lead = `${run.repetition}  `;
    const lines = wrap(result.sentence, terminalWidth(io.stdout) - lead.length, {
      keepWords: true,
    });
    io.stdout.write(`${lead}${lines.join(`\n${' '.repeat(lead.length)}`)}\n`);
    return;
  }
  const { renderConsole } = await import('../../report/console.ts');
  const options = {
    colorText: supportsColor(io, io.stdout, flags.color) ? colorText : null,
    width: terminalWidth(io.stdout),
    folder: displayPath(folder),
  };
  io.stdout.write(renderConsole(result, options));
  if (total > 1) io.stdout.write('\n');
}

function formatHeading({ plan, repetition }: PlannedRun): string {
  const words = ['platform sim', plan.id, plan.scale === 'quick' ? '--quick' : ''];
  const parts = [words.filter((word) => word !== '').join(' '), `seed ${plan.seed}`];
  return [...parts, repetition === '' ? '' : `run ${repetition}`]
    .filter((p) => p !== '')
    .join(' · ');
}

/** One run: its result. Several: `{"runs": [...]}` with the finished ones. */
function formatJson(finished: readonly RunOutcome[], planned: number): string {
  const results = finished.map(({ result }) => result);
  return `${JSON.stringify(planned === 1 ? results[0] : { runs: results }, null, 2)}\n`;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
