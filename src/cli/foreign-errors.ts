/**
 * Errors that are not platform's fault though platform threw them: a module of the user's, the operating system, a
 * database that refuses. They become three lines; "platform has a bug" is said of our code alone.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { EnvironmentError, type OperatorError, UsageError } from '../sim/errors.ts';
import { displayPath } from './finished-run/write-reports.ts';

export interface SourcePlace {
  readonly file: string;
  readonly line: number;
}

/** Folders of this package whose frames are ours. */
const OURS = ['dist', 'src', 'bin', 'node_modules'];
const packageFolder = fileURLToPath(new URL('../..', import.meta.url));

/** The topmost frame of the stack that is in a file, and not Node's; null without one. */
export function topFrame(error: unknown): SourcePlace | null {
  if (!(error instanceof Error)) return null;
  // A syntax error names its place in the first line, before the frames.
  const frame = /(?:file:\/\/)?(\/[^\s:()]+\.[cm]?[jt]sx?):(\d+)/.exec(error.stack ?? '');
  return frame === null ? null : { file: decodeURI(frame[1]!), line: Number(frame[2]) };
}

/** Where a module that does not belong to this package threw; null where the top of the stack is ours. */
export function userFrame(error: unknown): SourcePlace | null {
  const place = topFrame(error);
  if (place === null) return null;
  const [folder = ''] = path.relative(packageFolder, place.file).split(path.sep);
  return OURS.includes(folder) ? null : place;
}

export function formatPlace({ file, line }: SourcePlace): string {
  return `${displayPath(file)}:${line}`;
}

/** Of the operating system: what the machine refused, not what was asked wrongly. */
const MACHINE_CODES: Readonly<Record<string, string>> = {
  EACCES: 'permission was denied',
  EPERM: 'the operation is not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EMFILE: 'this process has no file descriptors left (ulimit -n)',
  ENFILE: 'the machine has no file descriptors left',
  ENOMEM: 'there is no memory left',
  EAGAIN: 'no process could be started (ulimit -u)',
  ECONNREFUSED: 'the connection was refused',
  ENOTFOUND: 'the host name is unknown',
  EHOSTUNREACH: 'the host cannot be reached',
  ERR_SYSTEM_ERROR: 'the operating system refused',
};

const TLS_CODE =
  /^(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?|CERT_HAS_EXPIRED|ERR_TLS_\w+|ERR_SSL_\w+)$/;

/** Classes of SQLSTATE in which a server refuses, whatever the statement: connection, rights, resources, shutdown. */
const REFUSAL_SQLSTATE = /^(?:08|28|53|57P|3D000|42501|25006|0A000)/;

/** Null: it may well be a bug of ours. */
export function explainForeignError(error: unknown): OperatorError | null {
  const place = userFrame(error);
  if (place !== null) {
    return new UsageError(
      {
        what: `${displayPath(place.file)} threw: ${firstLine(error)}`,
        why: `at ${formatPlace(place)}`,
        next: `correct it, then platform explain ${displayPath(place.file)}`,
      },
      { cause: error },
    );
  }
  for (const cause of causesOf(error)) {
    const refused = explainRefusal(cause);
    if (refused !== null) return new EnvironmentError(refused, { cause: error });
  }
  return null;
}

function explainRefusal(
  error: Error & { code?: unknown },
): { what: string; why: string; next: string } | null {
  const code = String(error.code ?? '');
  const isServer = 'severity' in error && REFUSAL_SQLSTATE.test(code);
  if (isServer || /does not support SSL connections/.test(error.message)) {
    return {
      what: `PostgreSQL refused: ${firstLine(error)}`,
      why: code === '' ? 'it has no TLS, and the URL asks for it' : `SQLSTATE ${code}`,
      next: 'DATABASE_URL=<a server that allows it> platform doctor',
    };
  }
  if (TLS_CODE.test(code)) {
    return {
      what: `the server's certificate was not accepted: ${firstLine(error)}`,
      why: code,
      next: 'NODE_EXTRA_CA_CERTS=<the file of your authority> platform doctor',
    };
  }
  const meaning = MACHINE_CODES[code];
  if (meaning === undefined || !('syscall' in error || code === 'ERR_SYSTEM_ERROR')) return null;
  return { what: `${meaning}: ${firstLine(error)}`, why: code, next: 'platform doctor' };
}

function causesOf(error: unknown): (Error & { code?: unknown })[] {
  const found: Error[] = [];
  for (let one = error; one instanceof Error && found.length < 5; one = one.cause) found.push(one);
  return found;
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n')[0] ?? '';
}
