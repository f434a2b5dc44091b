/**
 * The last resort. An operator error is three lines and its own exit code; anything else is a bug in
 * platform, printed with its stack and the seed that repeats it. Exit 1 means nothing else.
 */
import { OperatorError } from '../sim/errors.ts';
import type { ProcessHooks } from './io.ts';

const CLEANUP_LIMIT_MS = 15_000;

/** What a crash report and a crash's clean-up need to know of the verb that runs. */
export interface Session {
  readonly command: string;
  seed: number | null;
  /** Stops what the verb started. Must not throw. */
  cleanup: (() => Promise<void>) | null;
}

/** The text for stderr and the exit code. */
export function explainError(error: unknown, session: Session): { text: string; exitCode: number } {
  if (error instanceof OperatorError) return { text: error.toLines(), exitCode: error.exitCode };
  const stack = error instanceof Error ? describeError(error) : `thrown: ${String(error)}`;
  const message = error instanceof Error ? error.message : String(error);
  const seed = session.seed === null ? '' : `\nseed ${session.seed}`;
  return {
    text: `platform has a bug: ${message}\n${stack}${seed}\nwhile running: ${session.command}`,
    exitCode: 1,
  };
}

/** Errors nobody awaited. Cleans up within a limit, then leaves: the state is no longer known. */
export function guardCrashes(
  host: ProcessHooks,
  session: Session,
  write: (text: string) => void,
): () => void {
  let crashed = false;
  const onCrash = (error: unknown): void => {
    if (crashed) return;
    crashed = true;
    const limit = new Promise<void>((resolve) => {
      setTimeout(resolve, CLEANUP_LIMIT_MS).unref();
    });
    const cleanup = session.cleanup?.() ?? Promise.resolve();
    const leave = (): void => {
      const { text, exitCode } = explainError(error, session);
      write(`${text}\n`);
      host.exit(exitCode);
    };
    void Promise.race([cleanup, limit]).then(leave, leave);
  };
  host.on('uncaughtException', onCrash);
  host.on('unhandledRejection', onCrash);
  return () => {
    host.off('uncaughtException', onCrash);
    host.off('unhandledRejection', onCrash);
  };
}

/** The stack with every cause under it: the cause is usually where the answer is. */
function describeError(error: Error): string {
  const parts: string[] = [];
  let current: unknown = error;
  while (current instanceof Error && parts.length < 5) {
    parts.push(`${parts.length === 0 ? '' : 'caused by '}${current.stack ?? current.message}`);
    current = current.cause;
  }
  return parts.join('\n');
}
