/**
 * The requests, the same for every limiter: random users around the limit, and four that send where fixed windows and
 * token buckets admit too much. Times are milliseconds from the start, which is a multiple of the window.
 */
export interface TraceRequest {
  readonly atMs: number;
  readonly subject: string;
}

export interface TraceOptions {
  readonly limit: number;
  readonly windowMs: number;
  /** How long the random users send, in windows. */
  readonly windows: number;
  /** 0 to 1. */
  readonly random: () => number;
}

export function makeTrace({ limit, windowMs, windows, random }: TraceOptions): TraceRequest[] {
  const requests: TraceRequest[] = [];
  const burst = (subject: string, atMs: number, count = limit) => {
    // Spread over 2 % of a window, as the requests of a burst arrive one after the other.
    for (let index = 0; index < count; index += 1)
      requests.push({ subject, atMs: atMs + (index * 0.02 * windowMs) / count });
  };
  const steady = (subject: string, fromMs: number, rate: number) => {
    const count = Math.floor(rate * limit);
    for (let index = 0; index < count; index += 1)
      requests.push({ subject, atMs: fromMs + (index * windowMs) / count });
  };

  // A burst on each side of a window's edge, then a steady rate.
  burst('edge', 0.9 * windowMs);
  burst('edge', 1.01 * windowMs);
  steady('edge', 1.04 * windowMs, 1.5);
  // The same where a window begins with its first request.
  burst('late', 0.3 * windowMs, 1);
  burst('late', 1.25 * windowMs);
  burst('late', 1.33 * windowMs);
  // The whole limit at once, then twice the refill rate.
  burst('refill', 0.4 * windowMs);
  steady('refill', 0.43 * windowMs, 2);
  // Honest: as much as allowed, again more than a window later.
  burst('honest', 0.1 * windowMs);
  burst('honest', 1.3 * windowMs);
  for (const [index, rate] of [0.5, 0.8, 1, 1.2, 1.6, 2].entries()) {
    const gapMs = windowMs / (rate * limit);
    for (let atMs = 0; ; ) {
      atMs -= Math.log(1 - random()) * gapMs;
      if (atMs >= windows * windowMs) break;
      requests.push({ subject: `random${index}`, atMs });
    }
  }
  return requests.sort((a, b) => a.atMs - b.atMs);
}
