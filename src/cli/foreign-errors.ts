/**
 * Errors that are not platform's fault though platform threw them: a module of the user's, the operating system, a
 * database that refuses. They become three lines; "platform has a bug" is said of our code alone.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChildFailure } from '../sim/effects/process/child-process.ts';
import { EnvironmentError, type OperatorError, UsageError } from '../sim/errors.ts';
import { displayPath } from './finished-run/write-reports.ts';

export interface SourcePlace {
  readonly file: string;
  readonly line: number;
}

/** Folders of this package whose frames are ours. */
const OURS = ['dist', 'src', 'bin', 'node_modules'];
const packageFolder = fileURLToPath(new URL('../..', import.meta.url));

/** A file of JavaScript with its line, in a frame: as a URL, in parentheses, or alone before a syntax error. */
const FRAME = /(?:^|\(|at (?:async )?|\s)(?:file:\/\/)?(\/[^()\n]*?\.[cm]?[jt]sx?):(\d+)/m;

function frameIn(text: string): SourcePlace | null {
  const frame = FRAME.exec(text);
  return frame === null ? null : { file: decodePath(frame[1]!), line: Number(frame[2]) };
}

/** A path that is no URL may hold a bare `%`. */
function decodePath(file: string): string {
  try {
    return decodeURI(file);
  } catch {
    return file;
  }
}

/** The topmost frame of the stack that is in a file, and not Node's; null without one. */
export function topFrame(error: unknown): SourcePlace | null {
  // A syntax error names its place in the first line, before the frames.
  return error instanceof Error ? frameIn(error.stack ?? '') : null;
}

const isOurs = ({ file }: SourcePlace): boolean => {
  const [folder = ''] = path.relative(packageFolder, file).split(path.sep);
  return OURS.includes(folder);
};

/** Where a module that does not belong to this package threw; null where the top of the stack is ours. */
export function userFrame(error: unknown): SourcePlace | null {
  const place = topFrame(error);
  return place === null || isOurs(place) ? null : place;
}

const userFiles: string[] = [];

/** Of a scenario of the user's own: what is thrown without a stack is then its own, since ours throws errors only. */
export function rememberUserFile(file: string): void {
  userFiles.push(file);
}

/** At the end of a command. */
export function forgetUserFiles(): void {
  userFiles.length = 0;
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
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the other side has closed the connection',
  ETIMEDOUT: 'the connection timed out',
  ENETUNREACH: 'the network cannot be reached',
  EHOSTDOWN: 'the host is down',
  EAI_AGAIN: 'the name server does not answer',
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'the address is not one of this machine, or its ports are used up',
  EIO: 'the disk failed',
  ENOTDIR: 'a part of the path is a file',
  ELOOP: 'links lead in a circle',
  EPROTO: 'the server does not speak TLS, or another version of it',
  ERR_SYSTEM_ERROR: 'the operating system refused',
};

/** OpenSSL's reasons not to accept a certificate, and Node's. */
const TLS_CODE =
  /^(?:CERT_\w+|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_\w+|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED|ERR_TLS_\w+|ERR_SSL_\w+)$/;

/** Classes of SQLSTATE in which a server refuses, whatever the statement: connection, rights, resources, shutdown. */
const REFUSAL_SQLSTATE = /^(?:08|28|53|57P|58|3D000|42501|25006|0A000)/;
/** What the drivers say without a code. */
const DRIVER_REFUSAL =
  /does not support SSL connections|Connection terminated|timeout expired|^SASL: |Connection is closed\.|max number of clients reached/;
/** First words of Redis's refusals, whatever the command. */
const REDIS_REFUSAL =
  /^(?:WRONGPASS|NOAUTH|NOPERM|READONLY|LOADING|OOM|MISCONF|CLUSTERDOWN|MASTERDOWN|MOVED|DENIED)\b|DB index is out of range/;

/** Null: it may well be a bug of ours. */
export function explainForeignError(error: unknown): OperatorError | null {
  const place = userFrame(error) ?? userFrameOfChild(error);
  const [userFile] = userFiles;
  if (place === null && userFile !== undefined && !(error instanceof Error)) {
    return new UsageError({
      what: `${displayPath(userFile)} threw: ${firstLine(error)}`,
      why: 'it threw something that is no Error, so its line is not known',
      next: `throw new Error(...) there, then platform explain ${displayPath(userFile)}`,
    });
  }
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
  if (isServer || DRIVER_REFUSAL.test(error.message)) {
    return {
      what: `PostgreSQL refused: ${firstLine(error)}`,
      why: isServer ? `SQLSTATE ${code}` : explainDriver(error.message),
      next: 'DATABASE_URL=<a server that allows it> platform doctor',
    };
  }
  if (REDIS_REFUSAL.test(error.message)) {
    return {
      what: `Redis refused: ${firstLine(error)}`,
      why: 'its configuration, or the rights of the user of REDIS_URL',
      next: 'REDIS_URL=<a server that allows it> platform doctor',
    };
  }
  if (TLS_CODE.test(code)) {
    return {
      what: `the server's certificate was not accepted: ${firstLine(error)}`,
      why: code,
      next: 'NODE_EXTRA_CA_CERTS=<the file of your authority> platform doctor',
    };
  }
  if (error instanceof ChildFailure) return explainChild(error);
  const { syscall = '' } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' && /^spawn/.test(syscall))
    return {
      what: `a program is missing: ${firstLine(error)}`,
      why: code,
      next: 'platform doctor',
    };
  if (code === 'ENOENT' && syscall === 'uv_cwd')
    return {
      what: 'the working folder is gone',
      why: firstLine(error),
      next: 'cd to a folder that is there',
    };
  const meaning = MACHINE_CODES[code];
  if (meaning === undefined || !('syscall' in error || code === 'ERR_SYSTEM_ERROR')) return null;
  return { what: `${meaning}: ${firstLine(error)}`, why: code, next: 'platform doctor' };
}

/** Where a module of the user's that we started threw: its stack is in its log. */
function userFrameOfChild(error: unknown): SourcePlace | null {
  const failure = causesOf(error).find((cause) => cause instanceof ChildFailure);
  if (failure === undefined) return null;
  const place = frameIn(failure.notice.lastLines.join('\n'));
  return place === null || isOurs(place) ? null : place;
}

const explainDriver = (message: string): string =>
  /SSL/.test(message)
    ? 'it has no TLS, and the URL asks for it'
    : /^SASL/.test(message)
      ? 'it asks for a password, and the URL has none that fits'
      : 'the connection ended before the answer';

/** What a process of ours prints when an operator's server refuses it. */
const REFUSED_LINE =
  /permission denied|must be (?:superuser|owner)|authentication failed|too many (?:clients|connections)|database .* does not exist|pg_hba\.conf|read-only transaction|NOPERM|WRONGPASS|NOAUTH|READONLY|OOM command|MISCONF/;
const MACHINE_LINE = /\b(?:ENOSPC|EMFILE|ENFILE|ENOMEM|EDQUOT|EROFS)\b|heap out of memory/;

/** Null: a process of ours failed by itself. */
function explainChild({ notice }: ChildFailure): ReturnType<typeof explainRefusal> {
  const { name, status, lastLines, logFile } = notice;
  const log = `log: ${displayPath(logFile)}`;
  if (/SIGKILL|status 137/.test(status)) {
    const why = `by the kernel, for lack of memory, or by another user; ${log}`;
    return { what: `${name} was killed (${status})`, why, next: 'free -m, then platform doctor' };
  }
  const hasOperatorServer = Boolean(process.env.DATABASE_URL || process.env.REDIS_URL);
  const line = lastLines.find(
    (text) => MACHINE_LINE.test(text) || (hasOperatorServer && REFUSED_LINE.test(text)),
  );
  if (line === undefined) return null;
  return { what: `${name} failed: ${line.trim()}`, why: log, next: 'platform doctor' };
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
