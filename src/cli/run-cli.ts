/** The command line from argv to exit code. It never throws: every error becomes text on stderr and an exit code. */
import { CommanderError } from 'commander';
import { exitCodes } from '../sim/pure/exit-code.ts';
import type { RunScenario } from '../sim/run/run-options.ts';
import type { Scenario } from '../sim/scenario.ts';
import { formatCommand } from './command-line.ts';
import { type CommandContext, explainError, installCrashHandlers } from './crash.ts';
import { forgetUserFiles } from './foreign-errors.ts';
import type { Io, ProcessHooks } from './io.ts';
import { buildProgram, type CommandHandlers } from './program.ts';
import { toUsageError } from './usage-errors.ts';

export interface CliDeps {
  readonly scenarios: readonly Scenario[];
  readonly runScenario: RunScenario;
  readonly io: Io;
  readonly process: ProcessHooks;
}

export async function runCli(argv: readonly string[], deps: CliDeps): Promise<number> {
  const { io } = deps;
  const context: CommandContext = {
    command: formatCommand(argv),
    seed: null,
    hasVerdict: false,
    cleanup: null,
  };
  const writeError = (text: string): void => void io.stderr.write(text);
  const uninstall = installCrashHandlers(deps.process, context, writeError);
  let exitCode = 0;
  const program = buildProgram(io, createHandlers(deps, context), (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(withDefaultHelp(argv), { from: 'user' });
    return await exitCodeAfterOutput(io, context, exitCode);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const reported = error instanceof CommanderError ? toUsageError(error, argv, program) : error;
    const { text, exitCode: errorCode } = explainError(reported, context);
    writeError(`${text}\n`);
    return errorCode;
  } finally {
    uninstall();
    forgetUserFiles();
  }
}

/** A verdict stands without its text; any other command that could not print has done nothing. */
async function exitCodeAfterOutput(
  io: Io,
  { hasVerdict }: CommandContext,
  exitCode: number,
): Promise<number> {
  // A stream reports a refused write in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
  const isLost = io.isOutputLost?.() ?? false;
  return isLost && !hasVerdict && exitCode === exitCodes.pass ? exitCodes.environment : exitCode;
}

/** `platform` and `platform audit` alone print their help. */
function withDefaultHelp(argv: readonly string[]): readonly string[] {
  const isIncomplete = argv.length === 0 || (argv.length === 1 && argv[0] === 'audit');
  return isIncomplete ? [...argv, '--help'] : argv;
}

/** Each command loads its own modules: `platform --help` needs none of them. */
function createHandlers(deps: CliDeps, context: CommandContext): CommandHandlers {
  const { io, scenarios } = deps;
  const runDeps = { ...deps, context };
  return {
    sim: async (names, flags) => (await import('./sim/sim.ts')).runSim(names, flags, runDeps),
    list: async (flags) => (await import('./list.ts')).runList(scenarios, flags, io),
    explain: async (name, flags) => {
      const [{ runExplain }, { resolveScenario }] = await Promise.all([
        import('./explain/explain.ts'),
        import('./sim/scenario-lookup.ts'),
      ]);
      return runExplain(await resolveScenario(name, scenarios), { ...flags, name }, io);
    },
    report: async (name, flags) =>
      (await import('./finished-run/report.ts')).runReport(name, flags, io),
    verify: async (name, flags) =>
      (await import('./finished-run/verify.ts')).runVerify(name, flags, deps),
    serve: async (flags) => (await import('./serve.ts')).runServe(flags, runDeps),
    audit: async (verb, argument, flags) =>
      (await import('./audit.ts')).runAudit(verb, argument, flags, io),
    doctor: async (flags) => (await import('./doctor/doctor.ts')).runDoctor(io, flags),
    setup: async (flags) => {
      const [{ runSetup }, { prepareTemplates }] = await Promise.all([
        import('./doctor/setup.ts'),
        import('./doctor/prepare-templates.ts'),
      ]);
      const options = { ...flags, prepareTemplates: prepareTemplates.bind(null, scenarios, io) };
      return runSetup(io, options);
    },
  };
}
