/**
 * The command line from argv to exit code. It never throws: an operator error becomes three lines and its
 * code, anything else a bug report and 1.
 */
import { CommanderError } from 'commander';
import type { RunScenario } from '../sim/run-options.ts';
import type { Scenario } from '../sim/scenario.ts';
import { commandLine } from './command-line.ts';
import { explainError, guardCrashes, type Session } from './crash.ts';
import type { Io, ProcessHooks } from './io.ts';
import { buildProgram, type Verbs } from './program.ts';
import { usageErrorOf } from './usage-errors.ts';

export interface CliDeps {
  readonly scenarios: readonly Scenario[];
  readonly runScenario: RunScenario;
  readonly io: Io;
  readonly process: ProcessHooks;
}

export async function runCli(argv: readonly string[], deps: CliDeps): Promise<number> {
  const { io } = deps;
  const session: Session = { command: commandLine(argv), seed: null, cleanup: null };
  const complain = (text: string): void => void io.stderr.write(text);
  const release = guardCrashes(deps.process, session, complain);
  let exitCode = 0;
  const program = buildProgram(io, verbsOf(deps, session), (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(completed(argv), { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const shown = error instanceof CommanderError ? usageErrorOf(error, argv, program) : error;
    const explained = explainError(shown, session);
    complain(`${explained.text}\n`);
    return explained.exitCode;
  } finally {
    release();
  }
}

/** Asking for nothing, or for `audit` alone, is asking what there is. */
function completed(argv: readonly string[]): readonly string[] {
  const asksForHelp = argv.length === 0 || (argv.length === 1 && argv[0] === 'audit');
  return asksForHelp ? [...argv, '--help'] : argv;
}

/** Verbs load their own modules: `platform --help` needs none of them. */
function verbsOf(deps: CliDeps, session: Session): Verbs {
  const { io, scenarios } = deps;
  const verbDeps = { ...deps, session };
  return {
    sim: async (names, flags) => (await import('./sim.ts')).runSim(names, flags, verbDeps),
    list: async (flags) => (await import('./list.ts')).runList(scenarios, flags, io),
    explain: async (name, flags) => {
      const [{ runExplain }, { resolveScenario }] = await Promise.all([
        import('./explain.ts'),
        import('./scenario-lookup.ts'),
      ]);
      return runExplain(await resolveScenario(name, scenarios), flags, io);
    },
    report: async (name, flags) => (await import('./report.ts')).runReport(name, flags, io),
    verify: async (name, flags) => (await import('./verify.ts')).runVerify(name, flags, deps),
    serve: async (flags) => (await import('./serve.ts')).runServe(flags, verbDeps),
    audit: async (verb, argument, flags) =>
      (await import('./audit.ts')).runAudit(verb, argument, flags, io),
    doctor: async (flags) => (await import('./doctor.ts')).runDoctor(io, flags),
    setup: async (flags) => {
      const [{ runSetup }, { prepareTemplates }] = await Promise.all([
        import('./setup.ts'),
        import('./template-preparation.ts'),
      ]);
      const options = { ...flags, prepareTemplates: prepareTemplates.bind(null, scenarios, io) };
      return runSetup(io, options);
    },
  };
}
