/**
 * Starts a user's program as one process of a node and waits until it is ready. A failure becomes an EnvironmentError with
 * the program's last lines of output and the shell command that starts it by hand.
 */
import { EnvironmentError } from '../../../errors.ts';
import type { ReadySign } from '../../../topology.ts';
import {
  type Child,
  ChildFailure,
  startChild,
  waitUntilReady,
} from '../../process/child-process.ts';
import type { Lease } from '../../process/lease.ts';
import { listeningPorts } from '../../process/listening-ports.ts';
import type { Address } from '../node.ts';
import type { ServiceProcess } from '../service-process.ts';
import { type CommandStart, findCommand, type Program } from './program.ts';
import { createReadinessProbe } from './readiness-probe.ts';

/** Log limit of one process; above it the middle of the log is removed. */
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
  const readinessProbe = createReadinessProbe(options.ready, port, logFile);
  const child = await launch(program, options);
  const ready = async (): Promise<true> => {
    await readinessProbe.ready();
    assertOwnPort(child, port);
    return true;
  };
  try {
    await waitUntilReady(child, ready, { limitMs: readyWithinMs, signal });
  } catch (error) {
    // Its ports are read while it still runs.
    const reason =
      error instanceof ChildFailure ? explainFailure(error, child, program, options) : error;
    await child.stop();
    throw reason;
  }
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    child,
    ping: readinessProbe.ping,
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
        next: program.shellCommand,
      },
      { cause },
    );
  }
}

const listeningPortsOf = (child: Child): number[] =>
  listeningPorts([child.pid, ...child.descendants().map(({ pid }) => pid)]);

/** When the program listens on another port, another process may have answered on this one. */
function assertOwnPort(child: Child, port: number): void {
  const ports = listeningPortsOf(child);
  // A program without a listener may have started a container that listens.
  if (ports.length > 0 && !ports.includes(port)) throw new Error(`port ${port} is not its own`);
}

function explainFailure(
  failure: ChildFailure,
  child: Child,
  program: Program,
  { name, port, readyWithinMs }: CommandOptions,
): EnvironmentError {
  const { notice } = failure;
  const output = outputOf(notice.lastLines);
  const log = `log: ${notice.logFile}`;
  if (child.isExited()) {
    const orphans = notice.orphans ?? 0;
    const orphansText = `it left ${orphans} process${orphans === 1 ? '' : 'es'} in the background, which ended with it; it must stay in the foreground; `;
    return new EnvironmentError(
      {
        what: `${name} ended before it was ready (${notice.status})`,
        why: `${orphans > 0 ? orphansText : ''}${output}; ${log}`,
        next: program.shellCommand,
      },
      { cause: failure },
    );
  }
  const missing = failure.cause instanceof Error ? failure.cause.message : 'no sign of life';
  const others = listeningPortsOf(child).filter((one) => one !== port);
  const otherPortsText = `it listens on port ${others.join(', ')} instead of ${port}, which PORT names; `;
  return new EnvironmentError(
    {
      what: `${name} was not ready after ${readyWithinMs / 1_000} s: ${missing}`,
      why: `${others.length > 0 ? otherPortsText : ''}${output}; ${log}`,
      next: program.shellCommand,
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
