/**
 * A design with another window: what takes a minute to see can then be seen in seconds. The limits stay, and so does
 * the window of logins: a machine does not hash faster because a window is shorter. Pure.
 */
import type { Design, RateLimitDesign } from '../design.ts';

/** 0: the design's own. */
export const withLimitWindow = (design: Design, windowMs: number): Design =>
  windowMs === 0 ? design : { ...design, rateLimit: scaled(design.rateLimit, windowMs) };

function scaled(limits: RateLimitDesign, windowMs: number): RateLimitDesign {
  switch (limits.kind) {
    case 'off':
      return limits;
    case 'exact':
      return { ...limits, windowMs };
    case 'buckets': {
      // Buckets have no window; the slowest refill stands for it, and the others keep their proportion.
      const slowest = Math.max(...limits.user.map(({ refillMs }) => refillMs));
      const user = limits.user.map(({ capacity, refillMs }) => ({
        capacity,
        refillMs: Math.max(1, Math.round((refillMs * windowMs) / slowest)),
      }));
      return { ...limits, user };
    }
    default:
      return limits satisfies never;
  }
}
