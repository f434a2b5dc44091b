/**
 * Rate limiting. Promises: at most `limit` units are admitted in any half-open window of `windowMs`, by the store's
 * clock, over all processes; nothing is refused that would have fitted; all levels of a request are decided in one
 * atomic step, and a refusal consumes nothing at any of them.
 */

/** Every level of one decision lives under one hash tag, so that one script may touch them all in a cluster. */
interface LevelBase {
  /** Named in headers and in the answer to a refusal: `user`, `organisation`, `key`, `address`, `search`. */
  readonly policy: string;
  /** Who is limited, unique within tag and policy: `12`, `203.0.113.7`. */
  readonly subject: string;
  readonly limit: number;
  /** Decided, counted and reported, but never a reason to refuse. */
  readonly shadow: boolean;
}

/** At most `limit` units in any window. */
export interface WindowLevel extends LevelBase {
  readonly kind: 'window';
  readonly windowMs: number;
  /** Units this request takes; a whole number of at least 1. */
  readonly weight: number;
}

/** A window whose units are divided, max-min fair, between the agents of one key. */
export interface FairShareLevel extends LevelBase {
  readonly kind: 'share';
  readonly windowMs: number;
  readonly weight: number;
  /** The agent's slot, 1 to `agents`; 0 is for all requests without enrolment, together. */
  readonly agent: number;
  /** Enrolled agents; each is guaranteed an even part of the window. */
  readonly agents: number;
}

/** At most `limit` requests at one time, one slot each. A slot that is not released expires after `slotTtlMs`. */
export interface ConcurrencyLevel extends LevelBase {
  readonly kind: 'lease';
  readonly slotTtlMs: number;
  /** Unique to the request. */
  readonly slotId: string;
}

export type Level = WindowLevel | FairShareLevel | ConcurrencyLevel;

/** The decision of one level. */
export interface LevelState {
  readonly policy: string;
  readonly admitted: boolean;
  readonly shadow: boolean;
  readonly limit: number;
  /** 0 for a concurrency level. */
  readonly windowMs: number;
  /** Units left right now, for this agent where they are shared. Never negative. */
  readonly remaining: number;
  /** When refused: until this request would be admitted if no other came. Otherwise until the oldest unit expires. */
  readonly resetUs: number;
}

/** `store`: by Redis. `share`: by this process alone, by its degraded share. `closed`: not decided, so refused. */
export type DecisionMode = 'store' | 'share' | 'closed';

export interface Decision {
  /** Every level that is not in shadow admitted it. */
  readonly admitted: boolean;
  /** The store's clock, Unix microseconds; in mode `share` the process's own. */
  readonly atUs: number;
  readonly mode: DecisionMode;
  /** In the order of the request's levels. */
  readonly levels: readonly LevelState[];
}

export interface LimitRequest {
  /** Hash tag of every key of this decision: `o:12`, `a:203.0.113.7`. */
  readonly tag: string;
  readonly levels: readonly Level[];
  /** Present when the same request will be decided again. */
  readonly cached?: CachedEncoding;
}

export interface CachedEncoding {
  /** As they are sent. */
  keys?: readonly string[];
  headers?: string;
  /** RateLimit-Policy, which only the limits decide. */
  policyField?: string;
}

/** Must hold at the moment of a decision: this key of this Redis process has exactly this value. */
export interface Condition {
  readonly runId: string;
  readonly key: string;
  readonly text: string;
}

/** How a route is decided while Redis cannot be used: by the degraded share, or refused. */
export type OnLimiterDown = 'share' | 'closed';

export interface Limiter {
  /** Before the first decision. */
  start(): Promise<void>;
  /** One round trip at most. Does not reject when the store fails: then `onLimiterDown` decides. */
  decide(request: LimitRequest, onLimiterDown: OnLimiterDown): Promise<Decision>;
  /**
   * Checks the condition and decides in one atomic step; only for requests of window levels. `unmet`: the condition does
   * not hold or was not checked, and nothing is counted. `unanswered`: it may have been counted, so it must not be sent
   * to Redis again.
   */
  decideIf(request: LimitRequest, condition: Condition): Promise<Decision | 'unmet' | 'unanswered'>;
  /** Decides by `onLimiterDown`, for a request that was sent to Redis already. */
  decideLocally(request: LimitRequest, onLimiterDown: OnLimiterDown): Decision;
  /** Releases the concurrency slots of an admitted request; resolves when done, and never rejects. */
  release(request: LimitRequest): Promise<void>;
  /** Takes the units of an admitted decision out of its windows; best effort, never rejects. */
  refund(request: LimitRequest, decision: Decision): Promise<void>;
  close(): Promise<void>;
}

/** Lets the gateway count what happens. */
export interface LimiterObserver {
  onDecision(mode: DecisionMode, seconds: number): void;
  onBreaker(open: boolean): void;
  onError(error: Error): void;
}
