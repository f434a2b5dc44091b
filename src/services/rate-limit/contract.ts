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
  /** Judged, counted and reported, but never a reason to refuse. */
  readonly shadow: boolean;
}

/** At most `limit` units in any window. */
export interface WindowLevel extends LevelBase {
  readonly kind: 'window';
  readonly windowMs: number;
  /** Units this request takes; a whole number of at least 1. */
  readonly weight: number;
}

/** A window whose units are shared, max-min fair, between the agents of one key. */
export interface ShareLevel extends LevelBase {
  readonly kind: 'share';
  readonly windowMs: number;
  readonly weight: number;
  /** The agent's place, 1 to `agents`; 0 is everybody who shows no enrolment, together. */
  readonly agent: number;
  /** Places given out: what each is guaranteed is an even part of the window. */
  readonly agents: number;
}

/** At most `limit` requests at one time. A lease that is not given back ends by itself after `leaseMs`. */
export interface LeaseLevel extends LevelBase {
  readonly kind: 'lease';
  readonly leaseMs: number;
  /** Unique to the request. */
  readonly leaseId: string;
}

export type Level = WindowLevel | ShareLevel | LeaseLevel;

/** What one level said. */
export interface LevelState {
  readonly policy: string;
  readonly admitted: boolean;
  readonly shadow: boolean;
  readonly limit: number;
  /** 0 for a lease. */
  readonly windowMs: number;
  /** Units left right now, for this agent where they are shared. Never negative. */
  readonly remaining: number;
  /** When refused: until this request would have been admitted, if nobody else asks. Otherwise until the oldest unit is free again. */
  readonly resetUs: number;
}

/** `store`: by Redis. `share`: by this process alone, out of a small share. `closed`: not decided, so refused. */
export type DecisionMode = 'store' | 'share' | 'closed';

export interface Decision {
  /** Every level that is not in shadow admitted it. */
  readonly admitted: boolean;
  /** The store's clock, Unix microseconds; in mode `share` the process's own. */
  readonly atUs: number;
  readonly mode: DecisionMode;
  /** In the order asked. */
  readonly levels: readonly LevelState[];
}

export interface Question {
  /** Hash tag of every key of this decision: `o:12`, `a:203.0.113.7`. */
  readonly tag: string;
  readonly levels: readonly Level[];
  /** There when the same question will be asked again: what was worked out for it. */
  readonly kept?: KeptForQuestion;
}

export interface KeptForQuestion {
  /** As it is sent. */
  keys?: readonly string[];
  headers?: string;
  /** RateLimit-Policy, which only the limits decide. */
  policyField?: string;
}

/** What must be so at the moment of a decision: this key of this Redis process holds exactly this text. */
export interface Condition {
  readonly runId: string;
  readonly key: string;
  readonly text: string;
}

/** What a route asks for when the store cannot be asked: a bounded local share, or a refusal. */
export type WhenDegraded = 'share' | 'closed';

export interface Limiter {
  /** Before the first decision. */
  start(): Promise<void>;
  /** One round trip at most. Never rejects for want of the store: then `whenDegraded` says what to do. */
  decide(question: Question, whenDegraded: WhenDegraded): Promise<Decision>;
  /**
   * In one atomic step with the look at the condition; for questions of windows alone. `unmet`: it does not hold, or was
   * not looked at, and nothing is counted. `unanswered`: it may have been counted, so Redis is not asked again.
   */
  decideWhile(question: Question, condition: Condition): Promise<Decision | 'unmet' | 'unanswered'>;
  /** What `whenDegraded` says, of a request that Redis was asked about already. */
  decideHere(question: Question, whenDegraded: WhenDegraded): Decision;
  /** Gives the leases of an admitted question back; resolves when done, and never rejects. */
  release(question: Question): Promise<void>;
  /** Takes the units of an admitted window decision back, as if it had never been; best effort, never rejects. */
  refund(question: Question, decision: Decision): Promise<void>;
  close(): Promise<void>;
}

/** Told what happened, so that the gateway can count it. */
export interface LimiterObserver {
  decided(mode: DecisionMode, seconds: number): void;
  breaker(open: boolean): void;
  report(error: Error): void;
}
