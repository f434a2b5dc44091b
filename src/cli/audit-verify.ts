/**
 * `platform audit verify`: verifies every block against the previous one, every record against its block, and every
 * checkpoint against the chain. The summary goes to stdout; a finding is an error that names the first bad record.
 */
import { OperatorError } from '../sim/errors.ts';
import { exitCodes } from '../sim/pure/exit-code.ts';
import { type AuditCall, formatJson } from './audit-call.ts';

/** More would hide the `next:` line. */
const MAX_NAMED_FINDINGS = 3;

export async function verifyLog({ admin, flags, io }: AuditCall): Promise<number> {
  const verification = await admin.verify({
    archives: flags.archive ?? [],
    ...(flags.keepOption === undefined ? {} : { minRetentionDays: flags.keepOption }),
    ...(flags.publicKey === undefined ? {} : { publicKeyFile: flags.publicKey }),
  });
  const { findings, first, findingCount } = verification;
  io.stdout.write(flags.json ? formatJson(verification) : formatSummary(verification));
  if (first === null) return exitCodes.pass;
  const others = findings.filter((one) => one !== first).slice(0, MAX_NAMED_FINDINGS - 1);
  const more = findingCount - 1 - others.length;
  throw new OperatorError(exitCodes.invariant, {
    what: `the audit log does not hold: ${describeFinding(first)}`,
    why: [
      first.detail,
      ...others.map((one) => `also ${describeFinding(one)}`),
      ...(more > 0 ? [`and ${more} more`] : []),
    ].join('; '),
    next: flags.json
      ? 'keep the database and the state directory as they are: they are the evidence'
      : 'platform audit verify --json, for every finding; keep database and state as they are',
  });
}

type Verification = Awaited<ReturnType<AuditCall['admin']['verify']>>;
type Finding = Verification['findings'][number];

function describeFinding({ kind, shard, sequence, block, eventId, checkpoint }: Finding): string {
  const places = [
    eventId && `event ${eventId}`,
    shard !== null && `shard ${shard}`,
    sequence !== null && `record ${sequence}`,
    block !== null && `block ${block}`,
    checkpoint !== undefined && `checkpoint ${checkpoint}`,
  ].filter((place) => typeof place === 'string');
  return places.length === 0 ? kind : `${kind} (${places.join(', ')})`;
}

function formatSummary(verification: Verification): string {
  const { verdict, records, blocks, checkpoints, notSequenced, archived } = verification;
  const rows: [string, string][] = [
    ['verdict', verdict === 'pass' ? 'pass: the audit log holds' : 'fail'],
    ['records', count(records)],
    ['blocks', count(blocks)],
    ['checkpoints', count(checkpoints)],
    ['newer', `${count(notSequenced)} not yet in a block`],
    [
      'archived',
      archived === 0 ? '0' : `${count(archived)} counted only; --archive <file> checks them too`,
    ],
  ];
  return `${rows.map(([name, value]) => `${name.padEnd(13)}${value}`).join('\n')}\n`;
}

const count = (value: number): string => value.toLocaleString('en-US');
