/**
 * Who asks when: the same for every limiter. Random users around the limit, and four who know how a limiter cuts
 * time and ask where it hurts. Times are milliseconds from the start, which is a whole multiple of the window.
 */
export interface Asked {
  readonly atMs: number;
  readonly subject: string;
}

export interface TraceOptions {
  readonly limit: number;
  readonly windowMs: number;
  /** How long random users ask, in windows. */
  readonly windows: number;
  /** 0 to 1. */
  readonly random: () => number;
}

export function makeTrace({ limit, windowMs, windows, random }: TraceOptions): Asked[] {
  const asked: Asked[] = [];
  const burst = (subject: string, atMs: number, count = limit) => {
    // Spread a little: requests come one after the other, also from those who want to be many.
    for (let one = 0; one < count; one += 1)
      asked.push({ subject, atMs: atMs + (one * 0.02 * windowMs) / count });
  };
  const steady = (subject: string, fromMs: number, rate: number) => {
    const count = Math.floor(rate * limit);
    for (let one = 0; one < count; one += 1)
      asked.push({ subject, atMs: fromMs + (one * windowMs) / count });
  };

  // On both sides of the edge of a window, and all the time after it.
  burst('edge', 0.9 * windowMs);
  burst('edge', 1.01 * windowMs);
  steady('edge', 1.04 * windowMs, 1.5);
  // The same where a window begins with its first request.
  burst('late', 0.3 * windowMs, 1);
  burst('late', 1.25 * windowMs);
  burst('late', 1.33 * windowMs);
  // Everything at once, then twice what is refilled.
  burst('refill', 0.4 * windowMs);
  steady('refill', 0.43 * windowMs, 2);
  // Honest: as much as allowed, and the next time more than a window later.
  burst('honest', 0.1 * windowMs);
  burst('honest', 1.3 * windowMs);
  for (const [index, rate] of [0.5, 0.8, 1, 1.2, 1.6, 2].entries()) {
    const gapMs = windowMs / (rate * limit);
    for (let atMs = 0; ; ) {
      atMs -= Math.log(1 - random()) * gapMs;
      if (atMs >= windows * windowMs) break;
      asked.push({ subject: `random${index}`, atMs });
    }
  }
  return asked.sort((a, b) => a.atMs - b.atMs);
}
