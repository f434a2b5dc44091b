/**
 * A design with a shorter window, for runs that cannot take minutes. The limits stay, and so does the window of logins,
 * because password hashing does not get faster. Pure.
 */
import type { Design, RateLimitDesign } from '../../design.ts';

/** 0: the design's own window. */
export const withLimitWindow = (design: Design, windowMs: number): Design =>
  windowMs === 0 ? design : { ...design, rateLimit: scaleLimits(design.rateLimit, windowMs) };

function scaleLimits(limits: RateLimitDesign, windowMs: number): RateLimitDesign {
  switch (limits.kind) {
    case 'off':
      return limits;
    case 'exact':
      return { ...limits, windowMs };
    case 'buckets': {
      // Buckets have no window: the slowest refill becomes `windowMs`, and the others keep their proportion.
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
