/**
 * Starts any program as one process of a node and waits for its ready sign. The program is the user's: whatever is
 * wrong with it becomes an EnvironmentError with its last lines of output and the line that starts it by hand.
 */
import { EnvironmentError } from '../../../errors.ts';
import type { ReadySign } from '../../../topology.ts';
import { type Child, ChildFailure, startChild, untilReady } from '../../process/child-process.ts';
import type { Lease } from '../../process/lease.ts';
import { listeningPorts } from '../../process/listening-ports.ts';
import type { Address } from '../node.ts';
import type { ServiceProcess } from '../service-process.ts';
import { type CommandStart, findCommand, type Program } from './program.ts';
import { probeSign } from './ready-sign.ts';

/** Of one process; above it the middle of the log is removed. */
export const MAX_LOG_BYTES = 16_777_216;
const SHOWN_LINES = 3;
const SHOWN_CHARACTERS = 200;

export interface CommandOptions {
  readonly name: string;
  readonly start: CommandStart;
  readonly ready: Exclude<ReadySign, { message: true }>;
  readonly port: number;
  readonly addresses: Readonly<Record<string, Address>>;
  readonly env: NodeJS.ProcessEnv;
  readonly killAfterMs: number;
  readonly readyWithinMs: number;
  readonly cores: string | null;
  readonly lease: Lease;
  readonly logFile: string;
  readonly signal?: AbortSignal | undefined;
}

export async function startCommand(options: CommandOptions): Promise<ServiceProcess> {
  const { port, logFile, readyWithinMs, signal } = options;
  const program = findCommand(options.name, options.start, options);
  const sign = probeSign(options.ready, port, logFile);
  const child = await launch(program, options);
  const ready = async (): Promise<true> => {
    await sign.ready();
    assertOwnPort(child, port);
    return true;
  };
  try {
    await untilReady(child, ready, { limitMs: readyWithinMs, signal });
  } catch (error) {
    // Looked up while it still runs.
    const reason = error instanceof ChildFailure ? explain(error, child, program, options) : error;
    await child.stop();
    throw reason;
  }
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    child,
    answers: sign.answers,
    stop: () => child.stop(),
  };
}

async function launch(program: Program, options: CommandOptions): Promise<Child> {
  try {
    return await startChild({
      name: options.name,
      command: program.file,
      args: program.args,
      env: program.env,
      cwd: program.cwd,
      logFile: options.logFile,
      user: null,
      cores: options.cores,
      lease: options.lease,
      stopSignals: ['SIGTERM'],
      killAfterMs: options.killAfterMs,
      maxLogBytes: MAX_LOG_BYTES,
      isForeign: true,
    });
  } catch (cause) {
    throw new EnvironmentError(
      {
        what: `${options.name} cannot be started: ${program.file}`,
        why: (cause as Error).message,
        next: program.byHand,
      },
      { cause },
    );
  }
}

const familyPorts = (child: Child): number[] =>
  listeningPorts([child.pid, ...child.family().map(({ pid }) => pid)]);

/** What answers may be another process, when the program listens elsewhere. */
function assertOwnPort(child: Child, port: number): void {
  const ports = familyPorts(child);
  // A program without a listener of its own may have one in a container that it started.
  if (ports.length > 0 && !ports.includes(port)) throw new Error(`port ${port} is not its own`);
}

function explain(
  failure: ChildFailure,
  child: Child,
  program: Program,
  { name, port, readyWithinMs }: CommandOptions,
): EnvironmentError {
  const { notice } = failure;
  const output = outputOf(notice.lastLines);
  const log = `log: ${notice.logFile}`;
  if (child.isExited()) {
    const left = notice.survivors ?? 0;
    const background = `it left ${left} process${left === 1 ? '' : 'es'} in the background, which ended with it; it must stay in the foreground; `;
    return new EnvironmentError(
      {
        what: `${name} ended before it was ready (${notice.status})`,
        why: `${left > 0 ? background : ''}${output}; ${log}`,
        next: program.byHand,
      },
      { cause: failure },
    );
  }
  const missing = failure.cause instanceof Error ? failure.cause.message : 'no sign of life';
  const others = familyPorts(child).filter((one) => one !== port);
  const elsewhere = `it listens on port ${others.join(', ')} instead of ${port}, which PORT names; `;
  return new EnvironmentError(
    {
      what: `${name} was not ready after ${readyWithinMs / 1_000} s: ${missing}`,
      why: `${others.length > 0 ? elsewhere : ''}${output}; ${log}`,
      next: program.byHand,
    },
    { cause: failure },
  );
}

function outputOf(lines: readonly string[]): string {
  if (lines.length === 0) return 'it has printed nothing';
  const shown = lines.slice(-SHOWN_LINES).map((line) =>
    line
      .replace(/\p{Cc}+/gu, ' ')
      .slice(0, SHOWN_CHARACTERS)
      .trim(),
  );
  return `its last output: ${shown.join(' | ')}`;
}
