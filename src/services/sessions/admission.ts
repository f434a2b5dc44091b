/**
 * Bounded concurrency: at most `maxConcurrent` at work, at most `maxWaiting` in line, nobody in line for longer
 * than `maxWaitMs`. First come, first served. Keeps a storm of logins from taking every core.
 */
export interface Admission {
  /** Undefined when there was no room in time. */
  run<T>(work: () => Promise<T>): Promise<T | undefined>;
}

export function createAdmission(limits: {
  maxConcurrent: number;
  maxWaiting: number;
  maxWaitMs: number;
}): Admission {
  let busy = 0;
  const waiting: ((admitted: boolean) => void)[] = [];

  const enter = (): Promise<boolean> | boolean => {
    if (busy < limits.maxConcurrent) {
      busy += 1;
      return true;
    }
    if (waiting.length >= limits.maxWaiting) return false;
    return new Promise((resolve) => {
      const settle = (admitted: boolean) => {
        clearTimeout(timer);
        resolve(admitted);
      };
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(settle), 1);
        settle(false);
      }, limits.maxWaitMs);
      waiting.push(settle);
    });
  };

  // The place goes straight to the next in line, so nobody can slip in between.
  const leave = () => {
    const next = waiting.shift();
    if (next) next(true);
    else busy -= 1;
  };

  return {
    async run(work) {
      if (!(await enter())) return undefined;
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}
