/**
 * Ctrl-C, SIGTERM, a closed terminal. The first signal asks the run to stop at its next wait and to report what it has; the second exits
 * at once, and the next run cleans up after it.
 */
import { exitCodes } from '../sim/pure/exit-code.ts';
import type { ProcessHooks } from './io.ts';

export interface Interrupts {
  readonly signal: AbortSignal;
  /** 130, 143 or 129 once a signal arrived, else null. */
  exitCode(): number | null;
  /** Stops listening; the process then reacts to signals as usual. */
  dispose(): void;
}

export function listenForInterrupts(host: ProcessHooks, onFirstSignal: () => void): Interrupts {
  const controller = new AbortController();
  let code: number | null = null;
  const listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => {
    const listener = (): void => {
      if (code !== null) {
        host.exit(code);
        return;
      }
      code = exitCodes[name];
      onFirstSignal();
      controller.abort(new Error(name));
    };
    host.on(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    exitCode: () => code,
    dispose: () => {
      for (const { name, listener } of listeners) host.off(name, listener);
    },
  };
}
