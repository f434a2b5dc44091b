/**
 * Rate limiting. Promise: of the requests of one subject, at most `limit` are admitted in any half-open window of
 * `windowMs`, by the store's clock, over all processes. A refusal consumes nothing.
 */
import type { WindowLimit } from '../design.ts';

export interface Decision {
  readonly admitted: boolean;
  /** Admissions left right now. */
  readonly remaining: number;
  /** Until the oldest counted admission leaves the window: when refused, until the next one is admitted. */
  readonly resetUs: number;
}

export interface RateLimiter {
  /** `subject`: `user:12`, `login:127.0.0.1`. One round trip. */
  decide(subject: string, limit: WindowLimit): Promise<Decision>;
}
