/**
 * `platform audit`: administration of the audit log without a gateway. Opens the log that the flags name, runs one verb,
 * and turns errors into the CLI's three lines: what is wrong, why, what to type next.
 */

import { AdminError } from '../services/audit/admin/admin-error.ts';
import { openAuditAdmin } from '../services/gateway/audit/audit-admin.ts';
import { redactAddress } from '../sim/effects/testbed/addresses/address-text.ts';
import { EnvironmentError, OperatorError, UsageError } from '../sim/errors.ts';
import { exitCodes } from '../sim/pure/exit-code.ts';
import type { AuditCall } from './audit-call.ts';
import { type AuditTarget, resolveAuditTarget } from './audit-target.ts';
import type { Io } from './io.ts';
import type { AuditFlags, AuditVerb } from './program-audit.ts';

/** Verbs that read or sign checkpoints, or need the keys. */
const STATE_VERBS: readonly AuditVerb[] = ['verify', 'prove', 'export', 'archive', 'attach'];

export async function runAudit(
  verb: AuditVerb,
  argument: string,
  flags: AuditFlags,
  io: Io,
): Promise<number> {
  assertArgument(verb, argument);
  const target = await resolveAuditTarget(flags, io);
  if (STATE_VERBS.includes(verb) && target.stateDirectory === null) throw missingStateError(verb);
  try {
    const { region } = flags;
    const admin = await openAuditAdmin({ ...target, ...(region === undefined ? {} : { region }) });
    try {
      return await (await loadHandler(verb))({ admin, argument, flags, io });
    } finally {
      await admin.close();
    }
  } catch (error) {
    throw toOperatorError(verb, error, target);
  }
}

async function loadHandler(verb: AuditVerb): Promise<(call: AuditCall) => Promise<number>> {
  switch (verb) {
    case 'verify':
      return (await import('./audit-verify.ts')).verifyLog;
    case 'prove':
      return (await import('./audit-prove.ts')).proveEvent;
    case 'export':
      return (await import('./audit-export.ts')).exportLog;
    case 'archive':
      return (await import('./audit-archive.ts')).archiveMonth;
    case 'attach':
      return (await import('./audit-archive.ts')).attachMonth;
    case 'erase':
      return (await import('./audit-erase.ts')).eraseUser;
    default:
      return verb satisfies never;
  }
}

/** Checked before a connection is opened. */
function assertArgument(verb: AuditVerb, argument: string): void {
  const rules: Partial<Record<AuditVerb, readonly [RegExp, string, string]>> = {
    prove: [
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
      'the id of an event is a UUID, as GET /audit and the exports show it',
      'platform audit export | head -3',
    ],
    archive: [
      /^20\d\d-(0[1-9]|1[0-2])$/,
      'it takes a year and a month: 2026-08',
      'platform audit archive 2026-08',
    ],
    erase: [
      /^[1-9]\d{0,17}$/,
      'it takes the id of a user, a whole number',
      'platform audit erase 7',
    ],
  };
  const [pattern, why, next] = rules[verb] ?? [/^/, '', ''];
  if (pattern.test(argument)) return;
  throw new UsageError({ what: `audit ${verb}: "${argument}" is not understood`, why, next });
}

function missingStateError(verb: AuditVerb): UsageError {
  return new UsageError({
    what: `audit ${verb} needs the log's checkpoints and keys`,
    why: 'they are kept outside the database, in the state directory of the platform',
    next: `platform audit ${verb} --state <dir> (the one that holds audit/checkpoints.ndjson)`,
  });
}

const exitCodeByKind = {
  usage: exitCodes.usage,
  environment: exitCodes.environment,
  finding: exitCodes.invariant,
} as const;

function toOperatorError(verb: AuditVerb, error: unknown, target: AuditTarget): unknown {
  if (error instanceof OperatorError) return error;
  if (error instanceof AdminError) {
    const { what, why, next } = error;
    return new OperatorError(exitCodeByKind[error.kind], { what, why, next }, { cause: error });
  }
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (isUnreachable(code, error))
    return new EnvironmentError(
      {
        what: `cannot use the PostgreSQL at ${redactAddress(target.databaseUrl)}`,
        why: reasonOf(error),
        next: `platform audit ${verb} --database <url>, or platform serve in another terminal`,
      },
      { cause: error },
    );
  const { path: file } = error as NodeJS.ErrnoException;
  if (file === undefined || !/^E[A-Z]+$/.test(code)) return error;
  return new EnvironmentError(
    { what: `cannot use ${file}`, why: (error as Error).message, next: `ls -l ${file}` },
    { cause: error },
  );
}

/**
 * Connection errors, and the SQLSTATEs of a lost connection, authentication, an unknown database, overload and
 * shutdown.
 */
const isUnreachable = (code: string, error: unknown): boolean =>
  /^(ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EHOST|ENET|EPIPE|08|28|3D000|53|57P)/.test(code) ||
  /connection terminated|timeout expired|not queryable/i.test((error as Error).message ?? '') ||
  (error instanceof AggregateError &&
    error.errors.some(({ code: cause }) => /^ECONN/.test(cause ?? '')));

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  const { message } = error as Error;
  return message.split('\n')[0] || 'it does not answer';
}
