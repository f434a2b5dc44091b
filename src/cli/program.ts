/**
 * The commands and flags, declared for commander. Text and parsing only: the handler of each command is an argument,
 * and it loads the modules it needs.
 */
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { FormatName } from '../report/formats.ts';
import type { DoctorOptions } from './doctor/doctor.ts';
import type { SetupOptions } from './doctor/setup.ts';
import type { VerifyFlags } from './finished-run/verify.ts';
import { reportFormatNames } from './finished-run/write-reports.ts';
import type { Io } from './io.ts';
import { addAuditCommand, type RunAudit } from './program-audit.ts';
import type { SimFlags } from './sim/sim.ts';
import {
  DEFAULT_SEED,
  parseChoices,
  parseDurationMs,
  parseLoadTool,
  parsePort,
  parseRatePerSecond,
  parseRepeat,
  parseSeed,
  REPORTS_FOLDER,
} from './units.ts';

const ABOUT =
  'platform turns a system design into an experiment: it starts real PostgreSQL and Redis, reproduces a\n' +
  'documented failure, applies the documented fix, and judges both.';

const introExamples = [
  ['platform sim turn4', 'reproduce an incident, judge the fix, write the reports'],
  ['platform explain turn4', 'what would happen, without running it'],
  ['platform doctor', 'is this machine ready?'],
] as const;

/** One function for each command; it returns the exit code. */
export interface CommandHandlers {
  sim(names: readonly string[], flags: SimFlags): Promise<number>;
  list(flags: { json: boolean }): Promise<number>;
  explain(name: string, flags: { json: boolean }): Promise<number>;
  report(name: string, flags: { format: readonly FormatName[]; out?: string }): Promise<number>;
  verify(name: string, flags: VerifyFlags): Promise<number>;
  serve(flags: { design?: string; port: number }): Promise<number>;
  readonly audit: RunAudit;
  doctor(flags: DoctorOptions): Promise<number>;
  setup(flags: SetupOptions): Promise<number>;
}

export function buildProgram(
  io: Io,
  handlers: CommandHandlers,
  setExitCode: (exitCode: number) => void,
): Command {
  const program = new Command('platform')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // Errors are shown by run-cli.ts, in the three-line form.
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(100, io.stdout.columns ?? 80),
    })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('before', introText())
    .version(readVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .option('--no-color', 'print without colour');
  addSimCommand(program, handlers, setExitCode);
  addReadCommands(program, handlers, setExitCode);
  addMachineCommands(program, handlers, setExitCode);
  addAuditCommand(program, handlers.audit, setExitCode);
  return program;
}

/** The first lines of `platform --help`. */
function introText(): string {
  const width = Math.max(...introExamples.map(([command]) => command.length)) + 4;
  const lines = introExamples.map(([command, text]) => `  ${command.padEnd(width)}${text}`);
  return `${ABOUT}\n\n${lines.join('\n')}\n`;
}

function addSimCommand(
  program: Command,
  handlers: CommandHandlers,
  setExitCode: (exitCode: number) => void,
): void {
  program
    .command('sim')
    .summary('run scenarios and judge their designs')
    .argument('<scenario...>', 'turn4, all, or a file of your own such as ./mine.mjs')
    .addHelpText(
      'before',
      formatExamples(['sim turn4', 'sim turn4 --quick', 'sim all --json > runs.json']),
    )
    .option('--design <list>', 'before,after or all', 'all')
    .addOption(
      new Option('--seed <n>', 'same seed, same schedule')
        .argParser(parseSeed)
        .default(DEFAULT_SEED),
    )
    .addOption(rateOption())
    .addOption(durationOption())
    .addOption(loadOption())
    .option('--quick', 'a third of the scale, for a first look')
    .addOption(
      new Option('--repeat <n>', 'run n times and show the spread')
        .argParser(parseRepeat)
        .default(1),
    )
    .option('--out <dir>', 'reports folder', REPORTS_FOLDER)
    .addOption(formatOption())
    .option('--json', 'print one JSON document instead of the verdict block')
    .option('--quiet', 'no progress')
    .option('--keep', 'leave PostgreSQL, Redis and the service running')
    .addOption(new Option('--swap-arms').hideHelp())
    .action(async (names: string[], _flags: object, command: Command) => {
      setExitCode(await handlers.sim(names, simFlags(command.optsWithGlobals())));
    });
}

/** Commands that start no server: they read scenarios and finished runs. */
function addReadCommands(
  program: Command,
  handlers: CommandHandlers,
  setExitCode: (exitCode: number) => void,
): void {
  program
    .command('list')
    .summary('the scenarios and what each is expected to show')
    .option('--json', 'print JSON')
    .action(async (flags: ParsedFlags) =>
      setExitCode(await handlers.list({ json: flags.json === true })),
    );
  program
    .command('explain')
    .summary('what happens in a scenario, without running it')
    .argument('<scenario>', 'turn4, or a file of your own')
    .option('--json', 'print JSON')
    .action(async (name: string, flags: ParsedFlags) =>
      setExitCode(await handlers.explain(name, { json: flags.json === true })),
    );
  program
    .command('report')
    .summary('rebuild the reports of a finished run')
    .argument('<run>', 'a run folder, a result.json, a run id, or a scenario (its latest run)')
    .addHelpText(
      'before',
      formatExamples(['report turn4', 'report reports/turn4/latest --format md']),
    )
    .addOption(formatOption())
    .option('--out <dir>', "where to write (default: the run's own folder)")
    .action(async (name: string, flags: { format: readonly FormatName[]; out?: string }) =>
      setExitCode(await handlers.report(name, flags)),
    );
  program
    .command('verify')
    .summary('check that the files of a run are unchanged, and compute its result again')
    .argument('<run>', 'as for report')
    .addHelpText('before', formatExamples(['verify turn1', 'verify reports/turn4/latest --json']))
    .option('--scenario <file>', 'the scenario, if it was a file of your own')
    .option('--json', 'print JSON')
    .action(async (name: string, flags: ParsedFlags) =>
      setExitCode(await handlers.verify(name, { json: false, ...flags })),
    );
}

/** Commands that prepare this machine, or run a design on it. */
function addMachineCommands(
  program: Command,
  handlers: CommandHandlers,
  setExitCode: (exitCode: number) => void,
): void {
  program
    .command('serve')
    .summary('start one design, to try it with curl')
    .addHelpText('before', formatExamples(['serve', 'serve --design turn4.before --port 8080']))
    .option('--design <name>', 'turn4.before, turn4.after (default: the newest)')
    .addOption(new Option('--port <n>', '0 takes any free port').argParser(parsePort).default(8080))
    .action(async (flags: { design?: string; port: number }) =>
      setExitCode(await handlers.serve(flags)),
    );
  program
    .command('doctor')
    .summary('is this machine ready? every problem comes with its fix')
    .option('--clean', 'remove what killed runs left')
    .option('--json', 'print JSON')
    .action(async (_flags: ParsedFlags, command: Command) =>
      setExitCode(await handlers.doctor(command.optsWithGlobals())),
    );
  program
    .command('setup')
    .summary("install what is missing with the system's package manager")
    .option('--yes', 'do not ask')
    .addOption(
      new Option('--with <list>', 'optional tools as well: chromium,k6,clinic').argParser((text) =>
        text.split(',').map((name) => name.trim()),
      ),
    )
    .action(async (flags: SetupOptions) => setExitCode(await handlers.setup(flags)));
}

/** A flag that was not typed is absent, so that --help does not print `(default: false)` for each. */
type ParsedFlags = Readonly<Record<string, unknown>>;

function simFlags(typed: ParsedFlags): SimFlags {
  const defaults = { quick: false, json: false, quiet: false, keep: false, swapArms: false };
  return { ...defaults, ...typed } as SimFlags;
}

function rateOption(): Option {
  return new Option(
    '--rate <rate>',
    'open arrivals at this rate instead of the calibrated users: 200/s, 12000/m',
  ).argParser(parseRatePerSecond);
}

function loadOption(): Option {
  return new Option(
    '--load <generator>',
    'send the arrivals of --rate with undici, autocannon or k6 (default: our own generator)',
  ).argParser(parseLoadTool);
}

function durationOption(): Option {
  return new Option('--duration <time>', 'length of the judged phase: 30s, 2m, 1500ms').argParser(
    parseDurationMs,
  );
}

function formatOption(): Option {
  return new Option('--format <list>', `files to write: ${reportFormatNames.join(',')}`)
    .argParser((text) => parseChoices('--format', text, reportFormatNames))
    .default(reportFormatNames, 'all');
}

function formatExamples(commands: readonly string[]): string {
  return `Examples:\n${commands.map((command) => `  platform ${command}`).join('\n')}\n`;
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
