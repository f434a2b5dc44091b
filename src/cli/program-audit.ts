/** The commander definitions of `platform audit`. */
import { type Command, Option } from 'commander';
import { auditRetentionDays } from '../services/lineage.ts';
import { UsageError } from '../sim/errors.ts';

export const EXPORT_FORMATS = ['ndjson', 'csv', 'ocsf'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface AuditFlags {
  readonly database?: string;
  readonly state?: string;
  readonly json?: boolean;
  readonly format?: ExportFormat;
  readonly tenant?: string;
  readonly from?: string;
  readonly to?: string;
  readonly out?: string;
  /** Files of archived months. */
  readonly archive?: readonly string[];
  /** A file with the trusted public key; default: the one in the state directory. */
  readonly publicKey?: string;
  /** Retention in days after the end of a month. */
  readonly keep?: number;
  /** The region in the audit event of the operator's action. */
  readonly region?: string;
}

export type AuditVerb = 'verify' | 'prove' | 'export' | 'archive' | 'attach' | 'erase';

/** `argument` is empty for verbs without one. */
export type RunAudit = (verb: AuditVerb, argument: string, flags: AuditFlags) => Promise<number>;

export function addAuditCommand(
  program: Command,
  run: RunAudit,
  setExitCode: (exitCode: number) => void,
): void {
  const audit = program
    .command('audit')
    .helpCommand(false)
    .summary('verify, prove, export, archive the audit log')
    .addHelpText('before', EXAMPLES);
  const addVerb = (name: AuditVerb, summary: string, argument?: readonly [string, string]) => {
    const command = audit.command(name).summary(summary);
    if (argument !== undefined) command.argument(...argument);
    return command
      .option('--database <url>', 'its PostgreSQL (default: DATABASE_URL, else the running serve)')
      .option('--state <dir>', 'its checkpoints and keys (default: of the running serve)')
      .action(async (...actionArguments: unknown[]) => {
        // Commander passes the positional argument, if the verb has one, before the flags.
        const [value, flags] = argument === undefined ? ['', actionArguments[0]] : actionArguments;
        setExitCode(await run(name, String(value), flags as AuditFlags));
      });
  };
  const region = ['--region <name>', 'recorded with it (default: as the newest event)'] as const;
  const json = ['--json', 'print one JSON document'] as const;
  addVerb('verify', 'every block, record and checkpoint; exit 98 names the first bad record')
    .option('--archive <file...>', 'archives of months that left the database')
    .option('--public-key <file>', 'trust this key (PEM), not the one in --state')
    .addOption(keepOption('a month that left earlier is a finding'))
    .option(...json);
  addVerb('prove', 'that one event is in the log, under a signed checkpoint', [
    '<event>',
    'id of the event',
  ]).option('--json', 'print the proof');
  addExportOptions(addVerb('export', 'records, blocks and checkpoints, to be verified elsewhere'));
  addVerb('archive', 'move a month to a signed file, and record that it left', [
    '<month>',
    '2026-08; older than the retention',
  ])
    .option('--out <dir>', 'where to write the file', '.')
    .addOption(keepOption('younger months are refused'))
    .option(...region)
    .option(...json);
  addVerb('attach', 'verify an archive and bring its month back', ['<file>', 'as archive wrote it'])
    .option(...region)
    .option(...json);
  addVerb('erase', 'erase a person: account, sessions, and the key of their fields in the log', [
    '<user>',
    'id of the user',
  ])
    .option(...region)
    .option(...json);
}

const keepOption = (effect: string): Option =>
  new Option(
    '--keep <days>',
    `the retention (default, and the least: ${auditRetentionDays} days); ${effect}`,
  ).argParser(parseDays);

function addExportOptions(command: Command): void {
  command
    .addOption(
      new Option('--format <name>', EXPORT_FORMATS.join(', '))
        .argParser(parseFormat)
        .default('ndjson'),
    )
    .addOption(
      new Option('--tenant <id>', 'one organisation (default: all)').argParser(parseTenant),
    )
    .option('--from <time>', 'UTC, included: 2026-11-01 or 2026-11-01T08:00:00Z')
    .option('--to <time>', 'UTC, not included')
    .option('--out <file>', 'a file or a pipe; default, and -: stdout');
}

const EXAMPLES = `Examples:
  platform audit verify
  platform audit prove 019aa4b1-2c33-7abc-8def-0123456789ab --json > proof.json
  platform audit export --format ocsf --tenant 7 --from 2026-11-01 --out november.ndjson
`;

function parseFormat(text: string): ExportFormat {
  const format = EXPORT_FORMATS.find((name) => name === text.trim().toLowerCase());
  if (format !== undefined) return format;
  throw new UsageError({
    what: `--format does not know "${text}"`,
    why: `it takes one of ${EXPORT_FORMATS.join(', ')}`,
    next: 'platform audit export --format ndjson',
  });
}

function parseDays(text: string): number {
  if (/^\d{1,5}$/.test(text.trim())) return Number(text);
  throw new UsageError({
    what: `--keep "${text}" is not understood`,
    why: 'it takes a number of whole days',
    next: `platform audit verify --keep ${auditRetentionDays}`,
  });
}

function parseTenant(text: string): string {
  if (/^\d{1,18}$/.test(text.trim())) return text.trim();
  throw new UsageError({
    what: `--tenant "${text}" is not understood`,
    why: 'it takes the id of an organisation, a whole number',
    next: 'platform audit export --tenant 7',
  });
}
