/** Bounded waits for a promise: the caller goes on after `timeoutMs`, the work itself is not cancelled. */
const TIMED_OUT = Symbol('timed out');

/** Rejects with `message` after `timeoutMs`. */
export async function withTimeout<T>(
  work: Promise<T>,
  timeoutMs: number,
  message: string,
): Promise<T> {
  const result = await raceTimer(work, timeoutMs);
  if (result === TIMED_OUT) throw new Error(message);
  return result;
}

/** False after `timeoutMs`; work that is rejected in time rejects. */
export async function settlesWithin(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  return (await raceTimer(work, timeoutMs)) !== TIMED_OUT;
}

async function raceTimer<T>(work: Promise<T>, timeoutMs: number): Promise<T | typeof TIMED_OUT> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<typeof TIMED_OUT>((resolve) => {
    // An answer that arrived while this process was busy is read before the timeout counts.
    timer = setTimeout(() => setImmediate(resolve, TIMED_OUT), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
