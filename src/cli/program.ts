/**
 * The verbs and flags as commander sees them. Text and parsing only: each verb is handed in as a function,
 * and modules that take long to load are loaded by the verb that needs them.
 */
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { FormatName } from '../report/formats.ts';
import type { DoctorOptions } from './doctor.ts';
import type { Io } from './io.ts';
import { addAudit, type RunAudit } from './program-audit.ts';
import type { SetupOptions } from './setup.ts';
import type { SimFlags } from './sim.ts';
import {
  DEFAULT_SEED,
  parseDurationMs,
  parseLoadTool,
  parsePort,
  parseRatePerSecond,
  parseRepeat,
  parseSeed,
  parseWords,
} from './units.ts';
import type { VerifyFlags } from './verify.ts';
import { FORMAT_NAMES } from './write-reports.ts';

const ABOUT =
  'platform turns a system design into an experiment: it starts real PostgreSQL and Redis, reproduces a\n' +
  'documented failure, applies the documented fix, and judges both.';

const EXAMPLES = [
  ['platform sim turn4', 'reproduce an incident, judge the fix, write the reports'],
  ['platform explain turn4', 'what would happen, without running it'],
  ['platform doctor', 'is this machine ready?'],
] as const;

/** What every verb does; each returns its exit code. */
export interface Verbs {
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

export function buildProgram(io: Io, verbs: Verbs, done: (exitCode: number) => void): Command {
  const program = new Command('platform')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // Errors are shown by run-cli.ts, in the three-line form.
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(100, io.stdout.columns ?? 80),
    })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('before', intro())
    .version(readVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .option('--no-color', 'print without colour');
  addSim(program, verbs, done);
  addReaders(program, verbs, done);
  addMachine(program, verbs, done);
  addAudit(program, verbs.audit, done);
  return program;
}

/** What platform is, and three commands to type. Also what bare `platform` prints first. */
function intro(): string {
  const width = Math.max(...EXAMPLES.map(([command]) => command.length)) + 4;
  const examples = EXAMPLES.map(([command, text]) => `  ${command.padEnd(width)}${text}`);
  return `${ABOUT}\n\n${examples.join('\n')}\n`;
}

function addSim(program: Command, verbs: Verbs, done: (exitCode: number) => void): void {
  program
    .command('sim')
    .summary('run scenarios and judge their designs')
    .argument('<scenario...>', 'turn4, all, or a file of your own such as ./mine.mjs')
    .addHelpText(
      'before',
      examples(['sim turn4', 'sim turn4 --quick', 'sim all --json > runs.json']),
    )
    .option('--design <list>', 'before,after or all', 'all')
    .addOption(
      new Option('--seed <n>', 'same seed, same schedule')
        .argParser(parseSeed)
        .default(DEFAULT_SEED),
    )
    .addOption(rate())
    .addOption(duration())
    .addOption(load())
    .option('--quick', 'a third of the scale, for a first look')
    .addOption(
      new Option('--repeat <n>', 'run n times and show the spread')
        .argParser(parseRepeat)
        .default(1),
    )
    .option('--out <dir>', 'reports folder', 'reports')
    .addOption(format())
    .option('--json', 'print one JSON document instead of the verdict block')
    .option('--quiet', 'no progress')
    .option('--keep', 'leave PostgreSQL, Redis and the service running')
    .addOption(new Option('--swap-arms').hideHelp())
    .action(async (names: string[], _flags: object, command: Command) => {
      done(await verbs.sim(names, simFlags(command.optsWithGlobals())));
    });
}

function addReaders(program: Command, verbs: Verbs, done: (exitCode: number) => void): void {
  program
    .command('list')
    .summary('the scenarios and what each is expected to show')
    .option('--json', 'print JSON')
    .action(async (flags: Typed) => done(await verbs.list({ json: flags.json === true })));
  program
    .command('explain')
    .summary('what happens in a scenario, without running it')
    .argument('<scenario>', 'turn4, or a file of your own')
    .option('--json', 'print JSON')
    .action(async (name: string, flags: Typed) =>
      done(await verbs.explain(name, { json: flags.json === true })),
    );
  program
    .command('report')
    .summary('make the reports of a finished run again')
    .argument('<run>', 'a run folder, a result.json, a run id, or a scenario (its latest run)')
    .addHelpText('before', examples(['report turn4', 'report reports/turn4/latest --format md']))
    .addOption(format())
    .option('--out <dir>', "where to write (default: the run's own folder)")
    .action(async (name: string, flags: { format: readonly FormatName[]; out?: string }) =>
      done(await verbs.report(name, flags)),
    );
  program
    .command('verify')
    .summary(
      'is a finished run still the evidence it was? checks its files and runs its checkers again',
    )
    .argument('<run>', 'as for report')
    .addHelpText('before', examples(['verify turn1', 'verify reports/turn4/latest --json']))
    .option('--scenario <file>', 'the scenario, if it was a file of your own')
    .option('--json', 'print JSON')
    .action(async (name: string, flags: Typed) =>
      done(await verbs.verify(name, { json: false, ...flags })),
    );
}

function addMachine(program: Command, verbs: Verbs, done: (exitCode: number) => void): void {
  program
    .command('serve')
    .summary('start one design, to look at it with curl')
    .addHelpText('before', examples(['serve', 'serve --design turn4.before --port 8080']))
    .option('--design <name>', 'turn4.before, turn4.after (default: the newest)')
    .addOption(new Option('--port <n>', '0 takes any free port').argParser(parsePort).default(8080))
    .action(async (flags: { design?: string; port: number }) => done(await verbs.serve(flags)));
  program
    .command('doctor')
    .summary('is this machine ready? every problem comes with its fix')
    .option('--clean', 'remove what killed runs left')
    .option('--json', 'print JSON')
    .action(async (_flags: Typed, command: Command) =>
      done(await verbs.doctor(command.optsWithGlobals())),
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
    .action(async (flags: SetupOptions) => done(await verbs.setup(flags)));
}

/** A switch that was not typed is absent, so that --help does not print `(default: false)` at each. */
type Typed = Readonly<Record<string, unknown>>;

function simFlags(typed: Typed): SimFlags {
  const off = { quick: false, json: false, quiet: false, keep: false, swapArms: false };
  return { ...off, ...typed } as SimFlags;
}

function rate(): Option {
  return new Option(
    '--rate <rate>',
    'open arrivals at this rate instead of the calibrated users: 200/s, 12000/m',
  ).argParser(parseRatePerSecond);
}

function load(): Option {
  return new Option(
    '--load <generator>',
    'send the arrivals of --rate with undici, autocannon or k6 (default: our own sender)',
  ).argParser(parseLoadTool);
}

function duration(): Option {
  return new Option('--duration <time>', 'length of the judged phase: 30s, 2m, 1500ms').argParser(
    parseDurationMs,
  );
}

function format(): Option {
  return new Option('--format <list>', `files to write: ${FORMAT_NAMES.join(',')}`)
    .argParser((text) => parseWords('--format', text, FORMAT_NAMES))
    .default(FORMAT_NAMES, 'all');
}

function examples(commands: readonly string[]): string {
  return `Examples:\n${commands.map((command) => `  platform ${command}`).join('\n')}\n`;
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
