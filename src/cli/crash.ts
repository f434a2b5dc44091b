/**
 * Turns errors into text and an exit code. An operator error, or one of a user's module or machine, is three lines and
 * its own exit code; anything else is a bug in platform: exit 1, with the stack and the seed that repeats it.
 */
import { OperatorError } from '../sim/errors.ts';
import { exitCodes } from '../sim/pure/exit-code.ts';
import { explainForeignError, formatPlace, userFrame } from './foreign-errors.ts';
import type { ProcessHooks } from './io.ts';

const CLEANUP_TIMEOUT_MS = 15_000;

/** The running command, for the crash report and the cleanup after a crash. */
export interface CommandContext {
  readonly command: string;
  seed: number | null;
  /** The exit code is the answer, whatever becomes of the text. */
  hasVerdict: boolean;
  /** Stops what the command started. Must not throw. */
  cleanup: (() => Promise<void>) | null;
}

/** The text for stderr and the exit code. */
export function explainError(
  error: unknown,
  context: CommandContext,
): { text: string; exitCode: number } {
  const explained = error instanceof OperatorError ? error : explainForeignError(error);
  if (explained !== null) {
    return { text: withPlace(explained).toLines(), exitCode: explained.exitCode };
  }
  const stack = error instanceof Error ? describeError(error) : `thrown: ${String(error)}`;
  const message = error instanceof Error ? error.message : String(error);
  const seed = context.seed === null ? '' : `\nseed ${context.seed}`;
  return {
    text: `platform has a bug: ${message}\n${stack}${seed}\nwhile running: ${context.command}`,
    exitCode: exitCodes.bug,
  };
}

/** Names the line of the user's module that is behind the error. */
function withPlace(error: OperatorError): OperatorError {
  const place = userFrame(error.cause);
  if (place === null || error.why.includes(formatPlace(place))) return error;
  const { exitCode, what, why, next } = error;
  return new OperatorError(exitCode, { what, why: `${why} (${formatPlace(place)})`, next });
}

/** For uncaught errors: cleans up for at most 15 s, then exits, because the state is unknown. */
export function installCrashHandlers(
  host: ProcessHooks,
  context: CommandContext,
  write: (text: string) => void,
): () => void {
  let hasCrashed = false;
  const onCrash = (error: unknown): void => {
    if (hasCrashed) return;
    hasCrashed = true;
    const timeout = new Promise<void>((resolve) => {
      setTimeout(resolve, CLEANUP_TIMEOUT_MS).unref();
    });
    const cleanup = context.cleanup?.() ?? Promise.resolve();
    const exit = (): void => {
      const { text, exitCode } = explainError(error, context);
      write(`${text}\n`);
      host.exit(exitCode);
    };
    void Promise.race([cleanup, timeout]).then(exit, exit);
  };
  host.on('uncaughtException', onCrash);
  host.on('unhandledRejection', onCrash);
  return () => {
    host.off('uncaughtException', onCrash);
    host.off('unhandledRejection', onCrash);
  };
}

/** The stack, followed by those of its causes. */
function describeError(error: Error): string {
  const parts: string[] = [];
  let current: unknown = error;
  while (current instanceof Error && parts.length < 5) {
    parts.push(`${parts.length === 0 ? '' : 'caused by '}${current.stack ?? current.message}`);
    current = current.cause;
  }
  return parts.join('\n');
}
