/**
 * The exact sliding window, as a pure step. `admissions` holds the times counted in the window, newest first, at
 * most `limit` of them. window.lua is the same step inside Redis; a property test holds them together.
 */
import type { WindowLimit } from '../design.ts';
import type { SingleDecision } from './contract.ts';

export interface WindowStep {
  readonly decision: SingleDecision;
  readonly admissions: readonly number[];
}

export function decideWindow(
  admissions: readonly number[],
  nowUs: number,
  { limit, windowMs }: WindowLimit,
): WindowStep {
  const windowUs = windowMs * 1_000;
  // A clock that stepped back must not let a window be used twice.
  const now = Math.max(nowUs, admissions[0] ?? nowUs);
  const counted = admissions.filter((at) => now - at < windowUs);
  const admitted = counted.length < limit;
  const next = admitted ? [now, ...counted] : counted;
  const oldest = next.at(-1)!;
  const decision = { admitted, remaining: limit - next.length, resetUs: oldest + windowUs - now };
  return { decision, admissions: next };
}

/** Whole seconds, rounded up: a client that waits this long is never early. */
export const waitSeconds = (us: number): number => Math.max(1, Math.ceil(us / 1_000_000));

/** The IETF draft's fields: `RateLimit-Policy: "user";q=100;w=60` and `RateLimit: "user";r=99;t=60`. */
export function limitHeaders(
  name: string,
  { limit, windowMs }: WindowLimit,
  decision: SingleDecision,
): Record<string, string> {
  const headers: Record<string, string> = {
    'ratelimit-policy': `"${name}";q=${limit};w=${Math.ceil(windowMs / 1_000)}`,
    ratelimit: `"${name}";r=${decision.remaining};t=${waitSeconds(decision.resetUs)}`,
  };
  if (!decision.admitted) headers['retry-after'] = String(waitSeconds(decision.resetUs));
  return headers;
}
