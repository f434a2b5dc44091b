/**
 * The fair share inside one API key, as a pure step: an exact sliding window of N units whose units go to the agents
 * of the key by max-min fairness, without a queue. lua/fair-share.lua is the same step inside Redis.
 *
 * Four rules decide. T: units in the window. a: this agent's units in it. w: the weight of the request.
 * 1. T + w <= N, always: the window of the key is exact, whatever the agents do.
 * 2. Poorest first. An agent that was refused lately is waiting. What waiting agents would need to reach this agent's
 *    own count stays free: T + w + R <= N, R = sum over waiting j of min(refused j, a - a j) where a j < a.
 *    Nothing is reserved for an agent that was not refused, so unused units are lent.
 * 3. Up to the guarantee, N / places, rules 1 and 2 suffice. Above it an agent borrows, and then 3 % of N stays free as
 *    well: an agent that resumes finds room at once and gets every unit that expires before a borrower gets one. The 3 %
 *    are graded: an agent k units above its guarantee leaves at most k free.
 * 4. Borrowed units are paced: only while the key as a whole is behind a steady N per window. So the first borrower
 *    cannot take a whole window, and lent units expire evenly, N / 10 within a tenth of the window.
 *
 * A refusal is remembered for a quarter to half of a window. O(agents + expired) per decision; at most 256 slots.
 * Without other requests a refusal can only turn into an admission as time passes: resetUs depends on that.
 */
import type { FairShareLevel } from './contract.ts';

/** Slot 0 is for all requests without enrolment, together. Arrays by slot are as long as the highest slot seen. */
export interface FairShareState {
  /** Virtual clock of all admissions: each unit moves it on by window / limit. In the past: behind the pace. */
  readonly paceUs: number;
  /** When the current quarter of a window began; `refused` is of this quarter, `refusedBefore` of the one before. */
  readonly quarterUs: number;
  /** Units in the window, by slot. */
  readonly counts: readonly number[];
  readonly refused: readonly number[];
  readonly refusedBefore: readonly number[];
  /** One entry per unit, oldest first: its agent's slot, and its time. */
  readonly slots: readonly number[];
  readonly timesUs: readonly number[];
}

export interface FairShareStep {
  readonly admitted: boolean;
  /** Units this agent could take right now, one by one. */
  readonly remaining: number;
  /**
   * Refused: never early, so a client that waits this long is admitted if no other request comes. Exact while no other
   * agent was refused lately. Otherwise it may be late by up to a quarter of a window (measured: 1 in 40), because it
   * foresees at most `MAX_FORESEEN_EXPIRIES` expiries, and of other agents' refusals only when all are forgotten.
   * Admitted: until the oldest unit expires.
   */
  readonly resetUs: number;
  /** To be stored when the whole request is admitted. */
  readonly state: FairShareState;
  /** To be stored when it is refused, here or at another level; no unit is counted. Refused here: the agent now waits. */
  readonly refusedState: FairShareState | null;
}

/** Bounds the work of computing when a refused request would fit. */
const MAX_FORESEEN_EXPIRIES = 256;
const MAX_REFUSED = 10_000;

/** The key's state from one agent's side, without expired units. */
interface AgentView {
  readonly limit: number;
  readonly agent: number;
  readonly windowUs: number;
  readonly nowUs: number;
  readonly guarantee: number;
  readonly spare: number;
  readonly stepUs: number;
  readonly paceUs: number;
  readonly counts: readonly number[];
  /** Units refused in this quarter and the one before, by slot. */
  readonly waiting: readonly number[];
}

export function evaluateFairShare(
  stored: FairShareState | null,
  level: FairShareLevel,
  nowUs: number,
): FairShareStep {
  const { agent, weight } = level;
  // A clock that stepped back must not let a window be used twice.
  const now = Math.max(nowUs, stored?.timesUs.at(-1) ?? nowUs);
  const state = advanceTo(stored, level, now);
  const view = agentView(state, level, now);
  const taken = state.timesUs.length;
  if (!fits(view, { own: state.counts[agent]!, taken, weight, paceUs: view.paceUs })) {
    const refused = withChanged(state.refused, agent, (n) => Math.min(n + weight, MAX_REFUSED));
    const waitingState = { ...state, paceUs: view.paceUs, refused };
    return {
      admitted: false,
      remaining: remainingUnits(view, taken),
      resetUs: weight > level.limit ? view.windowUs : fitsAtUs(state, view, weight) - now,
      state: waitingState,
      refusedState: waitingState,
    };
  }
  const next: FairShareState = {
    ...state,
    paceUs: view.paceUs + weight * view.stepUs,
    counts: withChanged(state.counts, agent, (n) => n + weight),
    slots: state.slots.concat(Array<number>(weight).fill(agent)),
    timesUs: state.timesUs.concat(Array<number>(weight).fill(now)),
  };
  return {
    admitted: true,
    remaining: remainingUnits(agentView(next, level, now), taken + weight),
    resetUs: next.timesUs[0]! + view.windowUs - now,
    state: next,
    refusedState: stored,
  };
}

/** Takes the units that this agent was given at `atUs` out again, and the pace they moved on by. */
export function refundFairShare(
  state: FairShareState,
  level: FairShareLevel,
  atUs: number,
): FairShareState {
  let removed = 0;
  const isKept = state.timesUs.map((timeUs, i) => {
    const isOwn = timeUs === atUs && state.slots[i] === level.agent && removed < level.weight;
    if (isOwn) removed += 1;
    return !isOwn;
  });
  if (removed === 0) return state;
  return {
    ...state,
    paceUs: Math.max(0, state.paceUs - removed * stepUsOf(level)),
    counts: withChanged(state.counts, level.agent, (n) => Math.max(0, n - removed)),
    slots: state.slots.filter((_, i) => isKept[i]),
    timesUs: state.timesUs.filter((_, i) => isKept[i]),
  };
}

/** The window divided by its units. */
export const stepUsOf = ({ windowMs, limit }: FairShareLevel): number =>
  Math.ceil((windowMs * 1_000) / Math.max(1, limit));

function withChanged(list: readonly number[], at: number, change: (n: number) => number) {
  const copy = list.slice();
  copy[at] = change(copy[at]!);
  return copy;
}

/** The state at `nowUs`: expired units removed, quarters advanced, a slot for the agent. */
function advanceTo(
  stored: FairShareState | null,
  { agent, windowMs }: FairShareLevel,
  now: number,
): FairShareState {
  const windowUs = windowMs * 1_000;
  const quarterUs = windowUs / 4;
  const from = stored ?? emptyAt(now - (now % quarterUs), now);
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
  const isNewQuarter = age >= quarterUs;
  const areBothNew = age >= 2 * quarterUs;
  return {
    paceUs: from.paceUs,
    quarterUs: isNewQuarter ? now - (now % quarterUs) : from.quarterUs,
    counts,
    refused: bySlot(isNewQuarter ? [] : from.refused),
    refusedBefore: bySlot(areBothNew ? [] : isNewQuarter ? from.refused : from.refusedBefore),
    slots: from.slots.slice(expired),
    timesUs: from.timesUs.slice(expired),
  };
}

const emptyAt = (quarterUs: number, paceUs: number): FairShareState => ({
  paceUs,
  quarterUs,
  counts: [],
  refused: [],
  refusedBefore: [],
  slots: [],
  timesUs: [],
});

function agentView(state: FairShareState, level: FairShareLevel, now: number): AgentView {
  const { limit, agent, agents, windowMs } = level;
  const { counts } = state;
  const windowUs = windowMs * 1_000;
  const stepUs = stepUsOf(level);
  const waiting = counts.map((_, slot) => state.refused[slot]! + state.refusedBefore[slot]!);
  const places = agents + (agent === 0 || counts[0]! > 0 || waiting[0]! > 0 ? 1 : 0);
  const credit = Math.max(1, Math.floor(limit / 50)) * stepUs;
  const ahead = Math.min(state.paceUs, now + state.timesUs.length * stepUs);
  return {
    limit,
    agent,
    windowUs,
    nowUs: now,
    stepUs,
    waiting,
    counts,
    guarantee: Math.max(1, Math.floor(limit / Math.max(1, places))),
    spare: Math.floor((3 * limit + 50) / 100),
    paceUs: Math.max(ahead, now - credit),
  };
}

interface Demand {
  /** Units of this agent and of all. */
  readonly own: number;
  readonly taken: number;
  readonly weight: number;
  readonly paceUs: number;
}

function fits(view: AgentView, { own, taken, weight, paceUs }: Demand): boolean {
  const free = view.limit - taken - weight - reservedUnits(view, own);
  const above = borrowedUnits(view, own, weight);
  return free >= Math.min(view.spare, above) && (above === 0 || paceUs <= view.nowUs);
}

/** How far above its guarantee the request brings its agent. An agent without units never borrows, whatever the weight. */
const borrowedUnits = ({ guarantee }: AgentView, own: number, weight: number) =>
  own === 0 ? 0 : Math.max(0, own + weight - guarantee);

/** Units that stay free so that waiting agents can reach `own`. */
function reservedUnits({ agent, counts, waiting }: AgentView, own: number): number {
  let sum = 0;
  for (let j = 0; j < counts.length; j += 1)
    if (j !== agent && counts[j]! < own) sum += Math.min(waiting[j]!, own - counts[j]!);
  return sum;
}

/** The k-th unit fits only if the one before it does, so a binary search finds the last. */
function remainingUnits(view: AgentView, taken: number): number {
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

/** Lets the units expire one by one, as they will without other requests, until the request fits. */
function fitsAtUs(state: FairShareState, view: AgentView, weight: number): number {
  const { limit, agent, windowUs, waiting } = view;
  const counts = [...view.counts];
  const taken = state.timesUs.length;
  const freeAt = (expired: number) =>
    expired <= 0 ? view.nowUs : state.timesUs[Math.min(expired, taken) - 1]! + windowUs;
  // From then on no agent waits, so nothing is reserved.
  const refusalsForgottenUs = state.quarterUs + windowUs / 2;
  let bound = Math.max(
    refusalsForgottenUs,
    view.paceUs,
    freeAt(taken + weight + view.spare - limit),
  );
  let reserved = reservedUnits(view, counts[agent]!);
  for (let expired = 0; expired <= Math.min(taken, MAX_FORESEEN_EXPIRIES); expired += 1) {
    if (expired > 0) {
      const slot = state.slots[expired - 1]!;
      counts[slot]! -= 1;
      const behind = counts[agent]! - counts[slot]!;
      if (slot === agent) reserved = reservedUnits({ ...view, counts }, counts[agent]!);
      else if (behind > 0 && waiting[slot]! >= behind) reserved += 1;
    }
    const at = freeAt(expired);
    if (at >= bound) break;
    const free = limit - (taken - expired) - weight - reserved;
    const above = borrowedUnits(view, counts[agent]!, weight);
    if (above === 0 && free >= 0) return at;
    if (free >= Math.min(view.spare, above)) bound = Math.max(at, view.paceUs);
  }
  return bound;
}
