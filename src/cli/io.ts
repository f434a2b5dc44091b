/**
 * The streams of a command, as one argument. stdout carries the result, stderr the progress and the errors. Colour
 * is decided per stream, so a pipe never carries an escape code.
 */
import { styleText } from 'node:util';
import type { Tone } from '../report/terminal-text.ts';

export type Output = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
};

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: NodeJS.ReadableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** stdin and stderr are both terminals, so a question can be asked. */
  readonly isInteractive: boolean;
  /** stdout refused a write, and not because its reader had enough. */
  readonly isOutputLost?: () => boolean;
}

/** What the command line needs of the process: signals, uncaught errors, exit. */
export interface ProcessHooks extends Pick<NodeJS.EventEmitter, 'on' | 'off'> {
  exit(code: number): unknown;
}

/** The real streams. A reader that closes the pipe (`| head`), or a full disk, ends the output, not the run. */
export function processIo(host: NodeJS.Process): Io {
  let failure: NodeJS.ErrnoException | null = null;
  host.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || failure !== null) return;
    failure = error;
    host.stderr.write(`warning: stdout cannot be written: ${error.message}\n`);
  });
  host.stderr.on('error', () => {}); // nobody is left to tell
  return {
    isOutputLost: () => failure !== null,
    stdout: host.stdout,
    stderr: host.stderr,
    stdin: host.stdin,
    env: host.env,
    isInteractive: host.stdin.isTTY === true && host.stderr.isTTY === true,
  };
}

/** By no-color.org and force-color.org: a non-empty variable counts, and `--no-color` over both. */
export function supportsColor(io: Io, stream: Output, isEnabled: boolean): boolean {
  const { NO_COLOR = '', FORCE_COLOR = '', TERM } = io.env;
  if (!isEnabled || NO_COLOR !== '') return false;
  if (FORCE_COLOR !== '') return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return stream.isTTY === true && TERM !== 'dumb';
}

const styles = {
  good: 'green',
  bad: 'red',
  doubt: 'yellow',
  strong: 'bold',
  faint: 'dim',
} as const satisfies Readonly<Record<Tone, string>>;

/** Always coloured; `supportsColor` decides for a stream. */
export function colorText(text: string, tone: Tone): string {
  return styleText(styles[tone], text, { validateStream: false });
}

/** Columns of the terminal; 80 if the stream has none. */
export function terminalWidth(stream: Output): number {
  return Math.max(40, stream.columns ?? 80);
}

/** The live view needs a terminal that can redraw, outside CI. */
export function supportsLiveView(io: Io, isQuiet: boolean): boolean {
  const { CI, TERM } = io.env;
  const isCi = CI !== undefined && CI !== '' && CI !== 'false' && CI !== '0';
  return !isQuiet && io.stderr.isTTY === true && !isCi && TERM !== 'dumb';
}
