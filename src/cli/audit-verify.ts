/**
 * `platform audit verify`: does the log hold? Every block against the one before it, every record against its block,
 * every checkpoint against the chain. What was checked goes to stdout; what does not hold is an error that names the
 * first bad record.
 */
import { OperatorError } from '../sim/errors.ts';
import { EXIT } from '../sim/pure/verdict.ts';
import { type AuditCall, asJson } from './audit-call.ts';

/** More names than these would hide the `next:` line. */
const NAMED = 3;

export async function verifyLog({ desk, flags, io }: AuditCall): Promise<number> {
  const verification = await desk.verify({
    archives: flags.archive ?? [],
    ...(flags.keep === undefined ? {} : { minRetentionDays: flags.keep }),
    ...(flags.publicKey === undefined ? {} : { publicKeyFile: flags.publicKey }),
  });
  const { findings, first, findingCount } = verification;
  io.stdout.write(flags.json ? asJson(verification) : checked(verification));
  if (first === null) return EXIT.pass;
  const others = findings.filter((one) => one !== first).slice(0, NAMED - 1);
  const more = findingCount - 1 - others.length;
  throw new OperatorError(EXIT.invariant, {
    what: `the audit log does not hold: ${named(first)}`,
    why: [
      first.detail,
      ...others.map((one) => `also ${named(one)}`),
      ...(more > 0 ? [`and ${more} more`] : []),
    ].join('; '),
    next: flags.json
      ? 'keep the database and the state directory as they are: they are the evidence'
      : 'platform audit verify --json, for every finding; keep database and state as they are',
  });
}

type Verification = Awaited<ReturnType<AuditCall['desk']['verify']>>;
type Finding = Verification['findings'][number];

function named({ kind, shard, sequence, block, eventId, checkpoint }: Finding): string {
  const places = [
    eventId && `event ${eventId}`,
    shard !== null && `shard ${shard}`,
    sequence !== null && `record ${sequence}`,
    block !== null && `block ${block}`,
    checkpoint !== undefined && `checkpoint ${checkpoint}`,
  ].filter((place) => typeof place === 'string');
  return places.length === 0 ? kind : `${kind} (${places.join(', ')})`;
}

function checked(verification: Verification): string {
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
