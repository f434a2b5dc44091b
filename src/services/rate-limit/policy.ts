/**
 * One decision over all levels of a request, as a pure step. The scripts in lua/ compute the same step inside Redis; a
 * property test compares the two. Promises: no window ever holds more than its limit, nothing that fits is refused, and a
 * refusal changes nothing (except that a fair share records which agents wait).
 *
 * An entry at t counts while now - t < window. Time never runs backwards: `now` is at least the newest entry of any
 * level of the request, or a clock that stepped back would let a window be used twice.
 */
import type {
  ConcurrencyLevel,
  Decision,
  Level,
  LevelState,
  LimitRequest,
  WindowLevel,
} from './contract.ts';
import { evaluateFairShare, type FairShareState, refundFairShare } from './fair-share.ts';

/** The stored state of one level. */
export type LevelMemory =
  /** One time per unit, oldest first. */
  | { readonly kind: 'window'; readonly admittedUs: readonly number[] }
  | { readonly kind: 'share'; readonly fairShare: FairShareState }
  /** In the order in which they expire. */
  | { readonly kind: 'lease'; readonly slots: readonly ConcurrencySlot[] };

export interface ConcurrencySlot {
  readonly id: string;
  readonly endUs: number;
}

/** One for each level of the request, in order; null: nothing counted yet. */
export type RequestState = readonly (LevelMemory | null)[];

export interface Step {
  readonly decision: Decision;
  readonly state: RequestState;
}

/** Redis key of a level. The hash tag in braces, which alone decides the cluster slot, is that of the request. */
export const levelKey = (tag: string, { policy, subject }: Level): string =>
  `{${tag}}${policy}:${subject}`;

/** The decision of one level as if counted, and its state then. */
interface Evaluation {
  readonly admitted: boolean;
  readonly remaining: number;
  readonly resetUs: number;
  readonly counted: LevelMemory | null;
  /** The state when it is not counted; left out: unchanged. */
  readonly uncounted?: LevelMemory | null;
}

export function decide(state: RequestState, request: LimitRequest, nowUs: number): Step {
  const now = Math.max(nowUs, ...state.map(newestUs));
  const evaluations = request.levels.map((level, i) => evaluate(state[i] ?? null, level, now));
  const admitted = evaluations.every(
    (evaluation, i) => evaluation.admitted || request.levels[i]!.shadow,
  );
  return {
    decision: {
      admitted,
      atUs: now,
      mode: 'store',
      levels: request.levels.map((level, i) => levelStateOf(level, evaluations[i]!, admitted)),
    },
    state: evaluations.map(({ admitted: fits, counted, uncounted = null }, i) =>
      admitted && fits ? counted : (uncounted ?? state[i] ?? null),
    ),
  };
}

function newestUs(memory: LevelMemory | null): number {
  if (memory?.kind === 'window') return memory.admittedUs.at(-1) ?? 0;
  if (memory?.kind === 'share') return memory.fairShare.timesUs.at(-1) ?? 0;
  return 0;
}

/** If another level refused, nothing was taken from one that had room. */
function levelStateOf(level: Level, evaluation: Evaluation, counted: boolean): LevelState {
  const unused = evaluation.admitted && !counted ? weightOf(level) : 0;
  const remaining = evaluation.remaining + unused;
  return {
    policy: level.policy,
    admitted: evaluation.admitted,
    shadow: level.shadow,
    limit: level.limit,
    windowMs: level.kind === 'lease' ? 0 : level.windowMs,
    remaining,
    resetUs: unused > 0 && remaining === level.limit ? 0 : evaluation.resetUs,
  };
}

const weightOf = (level: Level): number => (level.kind === 'lease' ? 1 : level.weight);

function evaluate(memory: LevelMemory | null, level: Level, nowUs: number): Evaluation {
  switch (level.kind) {
    case 'window':
      return evaluateWindow(memory?.kind === 'window' ? memory.admittedUs : [], level, nowUs);
    case 'lease':
      return evaluateConcurrency(memory?.kind === 'lease' ? memory.slots : [], level, nowUs);
    case 'share': {
      const step = evaluateFairShare(
        memory?.kind === 'share' ? memory.fairShare : null,
        level,
        nowUs,
      );
      const memoryOf = (fairShare: FairShareState | null): LevelMemory | null =>
        fairShare && { kind: 'share', fairShare };
      return {
        ...step,
        counted: memoryOf(step.state),
        uncounted: memoryOf(step.refusedState),
      };
    }
    default:
      return level satisfies never;
  }
}

function evaluateWindow(
  admittedUs: readonly number[],
  { limit, windowMs, weight }: WindowLevel,
  nowUs: number,
): Evaluation {
  const windowUs = windowMs * 1_000;
  const counted = admittedUs.filter((at) => nowUs - at < windowUs);
  const free = limit - counted.length;
  if (weight <= free) {
    const next = [...counted, ...Array<number>(weight).fill(nowUs)];
    return {
      admitted: true,
      remaining: free - weight,
      resetUs: next[0]! + windowUs - nowUs,
      counted: { kind: 'window', admittedUs: next },
    };
  }
  // The last unit that must expire before this request fits; one that never fits waits a whole window.
  const last = weight <= limit ? counted[weight - free - 1]! : nowUs;
  return {
    admitted: false,
    remaining: Math.max(0, free),
    resetUs: last + windowUs - nowUs,
    counted: null,
  };
}

function evaluateConcurrency(
  slots: readonly ConcurrencySlot[],
  { limit, slotTtlMs, slotId }: ConcurrencyLevel,
  nowUs: number,
): Evaluation {
  const ttlUs = slotTtlMs * 1_000;
  const held = slots.filter(({ endUs }) => endUs > nowUs);
  const free = limit - held.length;
  if (free > 0) {
    const next = [...held, { id: slotId, endUs: nowUs + ttlUs }].sort((a, b) => a.endUs - b.endUs);
    return {
      admitted: true,
      remaining: free - 1,
      resetUs: next[0]!.endUs - nowUs,
      counted: { kind: 'lease', slots: next },
    };
  }
  const last = limit > 0 ? held[-free]!.endUs : nowUs + ttlUs;
  return { admitted: false, remaining: 0, resetUs: last - nowUs, counted: null };
}

/** Takes the units of an admitted decision out of its windows and fair shares. */
export function refund(
  state: RequestState,
  request: LimitRequest,
  decision: Decision,
): RequestState {
  return state.map((memory, i) => {
    const level = request.levels[i]!;
    const counted = decision.admitted && decision.levels[i]!.admitted;
    if (!counted) return memory;
    if (memory?.kind === 'share' && level.kind === 'share')
      return { kind: 'share', fairShare: refundFairShare(memory.fairShare, level, decision.atUs) };
    if (memory?.kind !== 'window' || level.kind !== 'window') return memory;
    let left = level.weight;
    const admittedUs = memory.admittedUs.filter((at) => {
      if (at !== decision.atUs || left === 0) return true;
      left -= 1;
      return false;
    });
    return { kind: 'window', admittedUs };
  });
}

/** Releases the concurrency slots of a request. */
export function release(state: RequestState, request: LimitRequest): RequestState {
  return state.map((memory, i) => {
    const level = request.levels[i]!;
    if (memory?.kind !== 'lease' || level.kind !== 'lease') return memory;
    return { kind: 'lease', slots: memory.slots.filter(({ id }) => id !== level.slotId) };
  });
}
