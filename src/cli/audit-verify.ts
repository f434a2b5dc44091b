/**
 * `platform audit verify`: verifies every block against the previous one, every record against its block, and every
 * checkpoint against the chain. The summary goes to stdout; a finding is an error that names the first bad record.
 */
import { OperatorError } from '../sim/errors.ts';
import { exitCodes } from '../sim/pure/exit-code.ts';
import { type AuditCall, formatJson } from './audit-call.ts';

/** A longer error message would push its last line, `next:`, out of sight. */
const MAX_NAMED_FINDINGS = 3;

export async function verifyLog({ admin, flags, io }: AuditCall): Promise<number> {
  const verification = await admin.verify({
    archives: flags.archive ?? [],
    ...(flags.keep === undefined ? {} : { minRetentionDays: flags.keep }),
    ...(flags.publicKey === undefined ? {} : { publicKeyFile: flags.publicKey }),
  });
  const { findings, first, findingCount } = verification;
  io.stdout.write(flags.json ? formatJson(verification) : formatSummary(verification));
  if (first === null) return exitCodes.pass;
  const further = findings.filter((finding) => finding !== first).slice(0, MAX_NAMED_FINDINGS - 1);
  const unnamedCount = findingCount - 1 - further.length;
  throw new OperatorError(exitCodes.invariant, {
    what: `the audit log does not hold: ${describeFinding(first)}`,
    why: [
      first.detail,
      ...further.map((finding) => `also ${describeFinding(finding)}`),
      ...(unnamedCount > 0 ? [`and ${unnamedCount} more`] : []),
    ].join('; '),
    next: flags.json
      ? 'keep the database and the state directory as they are: they are the evidence'
      : 'platform audit verify --json, for every finding; keep database and state as they are',
  });
}

type Verification = Awaited<ReturnType<AuditCall['admin']['verify']>>;
type Finding = Verification['findings'][number];

function describeFinding({ kind, shard, sequence, block, eventId, checkpoint }: Finding): string {
  const location = [
    eventId && `event ${eventId}`,
    shard !== null && `shard ${shard}`,
    sequence !== null && `record ${sequence}`,
    block !== null && `block ${block}`,
    checkpoint !== undefined && `checkpoint ${checkpoint}`,
  ].filter((part) => typeof part === 'string');
  return location.length === 0 ? kind : `${kind} (${location.join(', ')})`;
}

function formatSummary(verification: Verification): string {
  const { verdict, records, blocks, checkpoints, notSequenced, archived } = verification;
  const rows: [string, string][] = [
    ['verdict', verdict === 'pass' ? 'pass: the audit log holds' : 'fail'],
    ['records', formatCount(records)],
    ['blocks', formatCount(blocks)],
    ['checkpoints', formatCount(checkpoints)],
    ['newer', `${formatCount(notSequenced)} not yet in a block`],
    [
      'archived',
      archived === 0
        ? '0'
        : `${formatCount(archived)} counted only; --archive <file> checks them too`,
    ],
  ];
  return `${rows.map(([name, value]) => `${name.padEnd(13)}${value}`).join('\n')}\n`;
}

const formatCount = (value: number): string => value.toLocaleString('en-US');
