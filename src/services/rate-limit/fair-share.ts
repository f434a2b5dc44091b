/**
 * The fair share inside one API key, as a pure step: an exact sliding window of N units whose units go to the agents
 * of the key by max-min fairness, without a queue. lua/share.lua is the same step inside Redis.
 *
 * Four rules decide. T: units in the window. a: this agent's units in it. w: the weight asked for.
 * 1. T + w <= N, always: the window of the key is exact, whatever the agents do.
 * 2. Poorest first. An agent that was refused lately is waiting. What waiting agents would need to reach this agent's
 *    own count stays free: T + w + R <= N, R = sum over waiting j of min(refused j, a - a j) where a j < a.
 *    Nobody reserves for an agent that was not refused, so what nobody asks for is lent, and guesses cost nothing.
 * 3. Up to the guarantee, N / places, that is all. Above it an agent borrows, and then 3 % of N stays free as well:
 *    one that comes back finds room at once and gets every unit that expires before a borrower gets one. The 3 % are
 *    graded: an agent k units above its guarantee leaves at most k free.
 * 4. Borrowed units are paced: only while the key as a whole is behind a steady N per window. So whoever comes first
 *    cannot capture a window, and what was lent comes back evenly, N / 10 within a tenth of the window.
 *
 * A refusal is remembered for a quarter to half of a window. O(agents + expired) per decision; at most 256 slots.
 * Without others the verdict can only turn from no to yes as time passes: resetUs rests on that.
 */
import type { ShareLevel } from './contract.ts';

/** Slot 0 is everybody without enrolment, together. Arrays by slot are as long as the highest slot seen. */
export interface ShareState {
  /** Virtual clock of all admissions: each unit moves it on by window / limit. In the past: behind the pace. */
  readonly paceUs: number;
  /** When the current quarter of a window began; `refused` is of this quarter, `refusedBefore` of the one before. */
  readonly quarterUs: number;
  /** Units in the window, by slot. */
  readonly counts: readonly number[];
  readonly refused: readonly number[];
  readonly refusedBefore: readonly number[];
  /** One entry per unit, oldest first: who, and when. */
  readonly slots: readonly number[];
  readonly timesUs: readonly number[];
}

export interface ShareStep {
  readonly admitted: boolean;
  /** Units this agent could take right now, one by one. */
  readonly remaining: number;
  /**
   * Refused: never early, so a client that waits this long is admitted if nobody else asks. Exact as long as nobody
   * else was refused lately. Otherwise it may be late by up to a quarter of a window (seen: 1 in 40): it foresees at
   * most `foresightUnits` expiries, and of the refusals of others only that they are all forgotten in the end.
   * Admitted: until the oldest unit is free again.
   */
  readonly resetUs: number;
  /** Kept when the whole request is admitted. */
  readonly state: ShareState;
  /** Kept when it is refused, here or at another level. Refused here: who asked is now waiting. No unit is counted. */
  readonly refusedState: ShareState | null;
}

/** Expiries looked at, one by one, to tell when a refused request would fit. */
const foresightUnits = 256;
const refusedMax = 10_000;

/** What this agent sees of the key, after what has expired. */
interface View {
  readonly limit: number;
  readonly agent: number;
  readonly windowUs: number;
  readonly nowUs: number;
  readonly guarantee: number;
  readonly spare: number;
  /** One unit's part of the window. */
  readonly stepUs: number;
  readonly paceUs: number;
  readonly counts: readonly number[];
  /** Units refused in this quarter and the one before, by slot. */
  readonly waiting: readonly number[];
}

export function judgeShare(given: ShareState | null, level: ShareLevel, nowUs: number): ShareStep {
  const { agent, weight } = level;
  // A clock that stepped back must not let a window be used twice.
  const now = Math.max(nowUs, given?.timesUs.at(-1) ?? nowUs);
  const state = settle(given, level, now);
  const view = viewOf(state, level, now);
  const taken = state.timesUs.length;
  if (!fits(view, { own: state.counts[agent]!, taken, weight, paceUs: view.paceUs })) {
    const refused = replaced(state.refused, agent, (n) => Math.min(n + weight, refusedMax));
    const waits = { ...state, paceUs: view.paceUs, refused };
    return {
      admitted: false,
      remaining: remainingOf(view, taken),
      resetUs: weight > level.limit ? view.windowUs : untilFits(state, view, weight) - now,
      state: waits,
      refusedState: waits,
    };
  }
  const next: ShareState = {
    ...state,
    paceUs: view.paceUs + weight * view.stepUs,
    counts: replaced(state.counts, agent, (n) => n + weight),
    slots: state.slots.concat(Array<number>(weight).fill(agent)),
    timesUs: state.timesUs.concat(Array<number>(weight).fill(now)),
  };
  return {
    admitted: true,
    remaining: remainingOf(viewOf(next, level, now), taken + weight),
    resetUs: next.timesUs[0]! + view.windowUs - now,
    state: next,
    refusedState: given,
  };
}

function replaced(list: readonly number[], at: number, change: (n: number) => number) {
  const copy = list.slice();
  copy[at] = change(copy[at]!);
  return copy;
}

/** The state at `now`: expired units gone, quarters turned, a place for the agent. */
function settle(
  given: ShareState | null,
  { agent, windowMs }: ShareLevel,
  now: number,
): ShareState {
  const windowUs = windowMs * 1_000;
  const quarterUs = windowUs / 4;
  const from = given ?? emptyAt(now - (now % quarterUs), now);
  const size = Math.max(from.counts.length, agent + 1);
  const bySlot = (list: readonly number[]) => {
    const slots = list.slice();
    while (slots.length < size) slots.push(0);
    return slots;
  };
  const counts = bySlot(from.counts);
  let expired = 0;
  while (expired < from.timesUs.length && now - from.timesUs[expired]! >= windowUs) {
    counts[from.slots[expired]!]! -= 1;
    expired += 1;
  }
  const age = now - from.quarterUs;
  const [turned, bothTurned] = [age >= quarterUs, age >= 2 * quarterUs];
  return {
    paceUs: from.paceUs,
    quarterUs: turned ? now - (now % quarterUs) : from.quarterUs,
    counts,
    refused: bySlot(turned ? [] : from.refused),
    refusedBefore: bySlot(bothTurned ? [] : turned ? from.refused : from.refusedBefore),
    slots: from.slots.slice(expired),
    timesUs: from.timesUs.slice(expired),
  };
}

const emptyAt = (quarterUs: number, paceUs: number): ShareState => ({
  ...{ paceUs, quarterUs, counts: [], refused: [], refusedBefore: [], slots: [], timesUs: [] },
});

function viewOf(state: ShareState, level: ShareLevel, now: number): View {
  const { limit, agent, agents, windowMs } = level;
  const { counts } = state;
  const windowUs = windowMs * 1_000;
  const stepUs = Math.ceil(windowUs / Math.max(1, limit));
  const waiting = counts.map((_, slot) => state.refused[slot]! + state.refusedBefore[slot]!);
  const places = agents + (agent === 0 || counts[0]! > 0 || waiting[0]! > 0 ? 1 : 0);
  const credit = Math.max(1, Math.floor(limit / 50)) * stepUs;
  const ahead = Math.min(state.paceUs, now + state.timesUs.length * stepUs);
  return {
    ...{ limit, agent, windowUs, nowUs: now, stepUs, waiting, counts },
    guarantee: Math.max(1, Math.floor(limit / Math.max(1, places))),
    spare: Math.floor((3 * limit + 50) / 100),
    paceUs: Math.max(ahead, now - credit),
  };
}

interface Ask {
  /** Units of this agent and of all. */
  readonly own: number;
  readonly taken: number;
  readonly weight: number;
  readonly paceUs: number;
}

function fits(view: View, { own, taken, weight, paceUs }: Ask): boolean {
  const free = view.limit - taken - weight - reserved(view, own);
  const above = borrowed(view, own, weight);
  return free >= Math.min(view.spare, above) && (above === 0 || paceUs <= view.nowUs);
}

/** How far above its guarantee the request brings its agent. Who has nothing never borrows, however heavy it asks. */
const borrowed = ({ guarantee }: View, own: number, weight: number) =>
  own === 0 ? 0 : Math.max(0, own + weight - guarantee);

/** Units that stay free so that waiting agents can come up to `own`. */
function reserved({ agent, counts, waiting }: View, own: number): number {
  let sum = 0;
  for (let j = 0; j < counts.length; j += 1)
    if (j !== agent && counts[j]! < own) sum += Math.min(waiting[j]!, own - counts[j]!);
  return sum;
}

/** The k-th unit from now fits only if the one before it did, so the last that fits can be searched. */
function remainingOf(view: View, taken: number): number {
  const own = view.counts[view.agent]!;
  let [low, high] = [0, Math.max(0, view.limit - taken)];
  while (low < high) {
    const k = Math.ceil((low + high) / 2);
    const paceUs = view.paceUs + (k - 1) * view.stepUs;
    if (fits(view, { own: own + k - 1, taken: taken + k - 1, weight: 1, paceUs })) low = k;
    else high = k - 1;
  }
  return low;
}

/** Lets the units expire one by one, as they will if nobody asks, until the request fits. */
function untilFits(state: ShareState, view: View, weight: number): number {
  const { limit, agent, windowUs, waiting } = view;
  const counts = [...view.counts];
  const taken = state.timesUs.length;
  const freeAt = (expired: number) =>
    expired <= 0 ? view.nowUs : state.timesUs[Math.min(expired, taken) - 1]! + windowUs;
  // Once nobody waits any more nothing is reserved, and every expiry counts.
  const fadedUs = state.quarterUs + windowUs / 2;
  let bound = Math.max(fadedUs, view.paceUs, freeAt(taken + weight + view.spare - limit));
  let held = reserved(view, counts[agent]!);
  for (let expired = 0; expired <= Math.min(taken, foresightUnits); expired += 1) {
    if (expired > 0) {
      const slot = state.slots[expired - 1]!;
      counts[slot]! -= 1;
      const behind = counts[agent]! - counts[slot]!;
      if (slot === agent) held = reserved({ ...view, counts }, counts[agent]!);
      else if (behind > 0 && waiting[slot]! >= behind) held += 1;
    }
    const at = freeAt(expired);
    if (at >= bound) break;
    const free = limit - (taken - expired) - weight - held;
    const above = borrowed(view, counts[agent]!, weight);
    if (above === 0 && free >= 0) return at;
    if (free >= Math.min(view.spare, above)) bound = Math.max(at, view.paceUs);
  }
  return bound;
}
