/**
 * Bounded concurrency: at most `maxConcurrent` run, at most `maxWaiting` queue, none longer than `maxWaitMs`. First
 * come, first served. Keeps a burst of logins from taking every core.
 */
export interface Admission {
  /** Undefined when the queue was full or the wait too long. */
  run<T>(work: () => Promise<T>): Promise<T | undefined>;
}

export function createAdmission(limits: {
  maxConcurrent: number;
  maxWaiting: number;
  maxWaitMs: number;
}): Admission {
  let runningCount = 0;
  const waiting: ((admitted: boolean) => void)[] = [];

  const acquire = (): Promise<boolean> | boolean => {
    if (runningCount < limits.maxConcurrent) {
      runningCount += 1;
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

  // The slot passes directly to the first in the queue, so that a new caller cannot overtake it.
  const release = () => {
    const next = waiting.shift();
    if (next) next(true);
    else runningCount -= 1;
  };

  return {
    async run(work) {
      if (!(await acquire())) return undefined;
      try {
        return await work();
      } finally {
        release();
      }
    },
  };
}
