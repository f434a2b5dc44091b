/**
 * Ctrl-C. The first signal asks the run to stop at its next wait and report what it has; the second leaves
 * at once, and the next run's reaper removes what is left behind.
 */
import { INTERRUPT_CODES } from './exit-code.ts';
import type { ProcessHooks } from './io.ts';

export interface Interrupts {
  readonly signal: AbortSignal;
  /** 130 or 143 once a signal came, else null. */
  exitCode(): number | null;
  /** Stops listening; the process then reacts to signals as usual. */
  dispose(): void;
}

export function listenForInterrupts(host: ProcessHooks, onFirst: () => void): Interrupts {
  const controller = new AbortController();
  let code: number | null = null;
  const names = Object.keys(INTERRUPT_CODES) as (keyof typeof INTERRUPT_CODES)[];
  const listeners = names.map((name) => {
    const listener = (): void => {
      if (code !== null) {
        host.exit(code);
        return;
      }
      code = INTERRUPT_CODES[name];
      onFirst();
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
