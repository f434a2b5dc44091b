import { exitCodes } from './pure/exit-code.ts';

/**
 * Errors an operator can act on: three lines, no stack. `what` failed with the value, `why` with the
 * evidence, `next` a command to type. Anything else that reaches the top is a bug in platform.
 */
export class OperatorError extends Error {
  readonly what: string;
  readonly why: string;
  readonly next: string;
  readonly exitCode: number;

  constructor(
    exitCode: number,
    lines: { what: string; why: string; next: string },
    options?: { cause?: unknown },
  ) {
    super(lines.what, options);
    this.name = new.target.name;
    this.exitCode = exitCode;
    this.what = lines.what;
    this.why = lines.why;
    this.next = lines.next;
  }

  /** The three lines, ready for stderr. */
  toLines(): string {
    return `${this.what}\n${this.why}\nnext: ${this.next}`;
  }
}

/** The command line was wrong. Exit 2. */
export class UsageError extends OperatorError {
  constructor(lines: { what: string; why: string; next: string }, options?: { cause?: unknown }) {
    super(exitCodes.usage, lines, options);
  }
}

/** The machine is not ready: no Redis, a full disk, an unreachable database. Exit 3. */
export class EnvironmentError extends OperatorError {
  constructor(lines: { what: string; why: string; next: string }, options?: { cause?: unknown }) {
    super(exitCodes.environment, lines, options);
  }
}
