/** The machine's monotonic clock in microseconds: never steps back, and the same in every process. */

export type Clock = () => number;

/** Absolute microseconds; a run takes one reading as its origin. */
export function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/**
 * Integer microseconds since `originUs`. Reads performance.now(), the same clock without a BigInt per call;
 * the offset between the two is measured once.
 */
export function clockSince(originUs: number): Clock {
  let offsetUs = Number.POSITIVE_INFINITY;
  // The smallest of a few readings is the least interrupted one.
  for (let reading = 0; reading < 10; reading += 1) {
    const before = performance.now() * 1000;
    offsetUs = Math.min(offsetUs, Number(process.hrtime.bigint()) / 1000 - before);
  }
  const shiftUs = offsetUs - originUs;
  return () => Math.floor(performance.now() * 1000 + shiftUs);
}

/** The wall clock at the clock's zero; the least interrupted of a few readings, to a millisecond or two. */
export function wallClockAtOrigin(nowUs: Clock): Date {
  let [shortestUs, originMs] = [Number.POSITIVE_INFINITY, 0];
  for (let reading = 0; reading < 10; reading += 1) {
    const beforeUs = nowUs();
    const wallMs = Date.now();
    const tookUs = nowUs() - beforeUs;
    if (tookUs < shortestUs) [shortestUs, originMs] = [tookUs, wallMs - beforeUs / 1_000];
  }
  return new Date(originMs);
}
