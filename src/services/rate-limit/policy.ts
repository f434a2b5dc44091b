/**
 * One decision over all levels of a question, as a pure step. The scripts in lua/ are the same step inside Redis; a
 * property test replays one in the other. What is promised: no window ever holds more than its limit, nothing that
 * fits is refused, and a refusal changes nothing (except that a shared key remembers who is waiting).
 *
 * An entry at t counts while now - t < window. Time never runs backwards: `now` is at least the newest entry of any
 * level asked, or a clock that stepped back would let a window be used twice.
 */
import type { Decision, LeaseLevel, Level, LevelState, Question, WindowLevel } from './contract.ts';
import { judgeShare, type ShareState } from './fair-share.ts';

/** What one level remembers. */
export type LevelMemory =
  /** One time per unit, oldest first. */
  | { readonly kind: 'window'; readonly admittedUs: readonly number[] }
  | { readonly kind: 'share'; readonly share: ShareState }
  /** In order of their ends. */
  | { readonly kind: 'lease'; readonly leases: readonly Lease[] };

export interface Lease {
  readonly id: string;
  readonly endUs: number;
}

/** One for each level of the question, in order; null: nothing counted yet. */
export type QuestionState = readonly (LevelMemory | null)[];

export interface Step {
  readonly decision: Decision;
  readonly state: QuestionState;
}

/** Names what a level remembers: all of one question share the part in braces, which is all a cluster hashes. */
export const levelKey = (tag: string, { policy, subject }: Level): string =>
  `{${tag}}${policy}:${subject}`;

/** A level's answer as it is after counting, and what it remembers then. */
interface Verdict {
  readonly admitted: boolean;
  readonly remaining: number;
  readonly resetUs: number;
  readonly counted: LevelMemory | null;
  /** When it is not counted; left out: what it remembered before. */
  readonly refused?: LevelMemory | null;
}

export function decide(state: QuestionState, question: Question, nowUs: number): Step {
  const now = Math.max(nowUs, ...state.map(newestUs));
  const verdicts = question.levels.map((level, i) => judge(state[i] ?? null, level, now));
  const admitted = verdicts.every((verdict, i) => verdict.admitted || question.levels[i]!.shadow);
  return {
    decision: {
      admitted,
      atUs: now,
      mode: 'store',
      levels: question.levels.map((level, i) => told(level, verdicts[i]!, admitted)),
    },
    state: verdicts.map(({ admitted: fits, counted, refused = null }, i) =>
      admitted && fits ? counted : (refused ?? state[i] ?? null),
    ),
  };
}

function newestUs(memory: LevelMemory | null): number {
  if (memory?.kind === 'window') return memory.admittedUs.at(-1) ?? 0;
  if (memory?.kind === 'share') return memory.share.timesUs.at(-1) ?? 0;
  return 0;
}

/** Of a level that had room although another refused, nothing was taken. */
function told(level: Level, verdict: Verdict, counted: boolean): LevelState {
  const unused = verdict.admitted && !counted ? weightOf(level) : 0;
  const remaining = verdict.remaining + unused;
  return {
    policy: level.policy,
    admitted: verdict.admitted,
    shadow: level.shadow,
    limit: level.limit,
    windowMs: level.kind === 'lease' ? 0 : level.windowMs,
    remaining,
    resetUs: unused > 0 && remaining === level.limit ? 0 : verdict.resetUs,
  };
}

const weightOf = (level: Level): number => (level.kind === 'lease' ? 1 : level.weight);

function judge(memory: LevelMemory | null, level: Level, nowUs: number): Verdict {
  switch (level.kind) {
    case 'window':
      return judgeWindow(memory?.kind === 'window' ? memory.admittedUs : [], level, nowUs);
    case 'lease':
      return judgeLease(memory?.kind === 'lease' ? memory.leases : [], level, nowUs);
    case 'share': {
      const step = judgeShare(memory?.kind === 'share' ? memory.share : null, level, nowUs);
      const remembered = (share: ShareState | null): LevelMemory | null =>
        share && { kind: 'share', share };
      return {
        ...step,
        counted: remembered(step.state),
        refused: remembered(step.refusedState),
      };
    }
    default:
      return level satisfies never;
  }
}

function judgeWindow(
  admittedUs: readonly number[],
  { limit, windowMs, weight }: WindowLevel,
  nowUs: number,
): Verdict {
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
  // The last unit that must go before this request fits; what can never fit is told the whole window.
  const last = weight <= limit ? counted[weight - free - 1]! : nowUs;
  return {
    admitted: false,
    remaining: Math.max(0, free),
    resetUs: last + windowUs - nowUs,
    counted: null,
  };
}

function judgeLease(
  leases: readonly Lease[],
  { limit, leaseMs, leaseId }: LeaseLevel,
  nowUs: number,
): Verdict {
  const leaseUs = leaseMs * 1_000;
  const held = leases.filter(({ endUs }) => endUs > nowUs);
  const free = limit - held.length;
  if (free > 0) {
    const next = [...held, { id: leaseId, endUs: nowUs + leaseUs }].sort(
      (a, b) => a.endUs - b.endUs,
    );
    return {
      admitted: true,
      remaining: free - 1,
      resetUs: next[0]!.endUs - nowUs,
      counted: { kind: 'lease', leases: next },
    };
  }
  const last = limit > 0 ? held[-free]!.endUs : nowUs + leaseUs;
  return { admitted: false, remaining: 0, resetUs: last - nowUs, counted: null };
}

/** Takes the units of an admitted decision out of its windows again. What a shared key counted stays. */
export function refund(
  state: QuestionState,
  question: Question,
  decision: Decision,
): QuestionState {
  return state.map((memory, i) => {
    const level = question.levels[i]!;
    const counted = decision.admitted && decision.levels[i]!.admitted;
    if (memory?.kind !== 'window' || level.kind !== 'window' || !counted) return memory;
    let left = level.weight;
    const admittedUs = memory.admittedUs.filter((at) => {
      if (at !== decision.atUs || left === 0) return true;
      left -= 1;
      return false;
    });
    return { kind: 'window', admittedUs };
  });
}

/** Gives the leases of a question back. */
export function release(state: QuestionState, question: Question): QuestionState {
  return state.map((memory, i) => {
    const level = question.levels[i]!;
    if (memory?.kind !== 'lease' || level.kind !== 'lease') return memory;
    return { kind: 'lease', leases: memory.leases.filter(({ id }) => id !== level.leaseId) };
  });
}
