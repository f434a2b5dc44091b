/**
 * The streams a verb may touch, as one argument. stdout carries the answer, stderr the progress and the
 * errors. Colour is decided per stream, so a pipe never carries an escape code.
 */

export type Output = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
};

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: NodeJS.ReadableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A person is at the terminal: stdin and stderr are both one, so a question can be asked. */
  readonly isTty: boolean;
}

/** What the command line needs from the process: signals, crashes and the last way out. */
export interface ProcessHooks extends Pick<NodeJS.EventEmitter, 'on' | 'off'> {
  exit(code: number): unknown;
}

/** The real streams. A reader that closes the pipe (`| head`) ends the output, not the run. */
export function processIo(host: NodeJS.Process): Io {
  for (const stream of [host.stdout, host.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  return {
    stdout: host.stdout,
    stderr: host.stderr,
    stdin: host.stdin,
    env: host.env,
    isTty: host.stdin.isTTY === true && host.stderr.isTTY === true,
  };
}

/** NO_COLOR counts even when it is empty. */
export function wantsColor(io: Io, stream: Output, wanted: boolean): boolean {
  if (!wanted || stream.isTTY !== true) return false;
  return io.env.NO_COLOR === undefined && io.env.TERM !== 'dumb';
}

/** Columns to lay text out in; 80 where the stream does not say. */
export function widthOf(stream: Output): number {
  return Math.max(40, stream.columns ?? 80);
}

/** A live view needs a terminal that can redraw and a person who watches it. */
export function wantsLiveView(io: Io, quiet: boolean): boolean {
  const { CI, TERM } = io.env;
  const inCi = CI !== undefined && CI !== '' && CI !== 'false' && CI !== '0';
  return !quiet && io.stderr.isTTY === true && !inCi && TERM !== 'dumb';
}
