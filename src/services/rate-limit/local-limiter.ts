/**
 * Exact windows inside one process, for when Redis cannot be used: decides as the store does, with limits reduced to
 * this process's quota share. Time is an argument. Its memory is bounded: a subject beyond the bound is refused, and one
 * is forgotten only when its window is over.
 */
import type {
  ConcurrencyLevel,
  FairShareLevel,
  Level,
  LevelState,
  LimitRequest,
  WindowLevel,
} from './contract.ts';

export interface LocalDecision {
  readonly admitted: boolean;
  readonly levels: readonly LevelState[];
  /** Takes the units out of the windows. */
  refund(): void;
}

export interface LocalLimiter {
  /** `limitFactor`: 0 to 1, multiplies each window's limit. `quotaShare`: 0 to 1, multiplies concurrency limits. */
  decide(
    request: LimitRequest,
    quota: { readonly limitFactor: number; readonly quotaShare: number },
    nowUs: number,
  ): LocalDecision;
  /** False when this process holds none of the request's slots. */
  release(request: LimitRequest): boolean;
}

interface Unit {
  readonly atUs: number;
  readonly agent: number;
  readonly count: number;
}

interface Log {
  /** Oldest first. */
  units: Unit[];
  endUs: number;
}

interface Bounds {
  readonly maxSubjects: number;
  readonly maxUnits: number;
}

/** The decision of one level; `write` counts it and returns how to undo that. */
interface Evaluated {
  readonly state: LevelState;
  write(): (() => void) | null;
}

/** Rounds 0.9999999 up to 1: sums of fractions are not exact. */
const wholeUnits = (units: number) => Math.floor(units + 1e-6);

/** Bounds the work of one decision: after a burst many windows end together. */
const MAX_FORGOTTEN_PER_DECISION = 100;

export function createLocalLimiter(
  bounds: Bounds = { maxSubjects: 50_000, maxUnits: 2_000_000 },
): LocalLimiter {
  const windows = createLocalWindows(bounds);
  const slots = createLocalSlots(bounds);

  return {
    decide(request, { limitFactor, quotaShare }, nowUs) {
      windows.forgetEnded(nowUs);
      slots.forgetExpired(nowUs);
      const evaluated = request.levels.map((level) => {
        const key = keyOf(request, level);
        return level.kind === 'lease'
          ? slots.evaluate(key, level, quotaShare, nowUs)
          : windows.evaluate(key, level, limitFactor, nowUs);
      });
      const admitted = evaluated.every(({ state }) => state.admitted || state.shadow);
      const undos = admitted ? evaluated.map((level) => level.write()) : [];
      return {
        admitted,
        levels: evaluated.map(({ state }) => (admitted ? state : withoutCounting(state, request))),
        refund: () => {
          for (const undo of undos) undo?.();
        },
      };
    },
    release(request) {
      let wasHeld = false;
      for (const level of request.levels)
        if (level.kind === 'lease' && slots.release(keyOf(request, level), level.slotId))
          wasHeld = true;
      return wasHeld;
    },
  };
}

function createLocalWindows(bounds: Bounds) {
  /** In the order of the last admission. */
  const logs = new Map<string, Log>();
  let storedUnits = 0;

  const dropExpired = (log: Log, nowUs: number, windowUs: number) => {
    const live = log.units.findIndex(({ atUs }) => nowUs - atUs < windowUs);
    const expired = live < 0 ? log.units.length : live;
    if (expired > 0) log.units.splice(0, expired);
    storedUnits -= expired;
  };

  const add = (key: string, log: Log, unit: Unit, windowUs: number) => {
    log.units.push(unit);
    log.endUs = unit.atUs + windowUs;
    storedUnits += 1;
    logs.delete(key);
    logs.set(key, log);
    return () => {
      const at = log.units.indexOf(unit);
      if (at < 0) return;
      log.units.splice(at, 1);
      if (logs.get(key) === log) storedUnits -= 1;
    };
  };

  return {
    forgetEnded(nowUs: number) {
      let left = MAX_FORGOTTEN_PER_DECISION;
      for (const [key, log] of logs) {
        if (log.endUs > nowUs || left === 0) break;
        left -= 1;
        logs.delete(key);
        storedUnits -= log.units.length;
      }
    },

    evaluate(
      key: string,
      level: WindowLevel | FairShareLevel,
      limitFactor: number,
      nowUs: number,
    ): Evaluated {
      const windowUs = level.windowMs * 1_000;
      const limit = wholeUnits(level.limit * limitFactor);
      const found = logs.get(key);
      if (found) dropExpired(found, nowUs, windowUs);
      const units = found?.units ?? [];
      const agent = level.kind === 'share' ? level.agent : 0;
      const taken = sumOf(units);
      // At most half of a key for one agent: max-min fairness needs state that only the store has.
      const agentLimit = level.kind === 'share' ? Math.max(1, Math.floor(limit / 2)) : limit;
      const own = level.kind === 'share' ? units.filter((unit) => unit.agent === agent) : units;
      const room = Math.max(0, Math.min(limit - taken, agentLimit - sumOf(own)));
      const hasSubject = found !== undefined || logs.size < bounds.maxSubjects;
      const admitted = room >= level.weight && hasSubject && storedUnits < bounds.maxUnits;
      const waitUs = (among: readonly Unit[], needed: number) => {
        if (needed <= 0) return 0;
        const unit = unitThatFrees(among, needed);
        return unit ? unit.atUs + windowUs - nowUs : windowUs;
      };
      const refusedUs = Math.max(
        waitUs(units, taken + level.weight - limit),
        waitUs(own, sumOf(own) + level.weight - agentLimit),
      );
      return {
        state: {
          ...commonState(level, limit),
          windowMs: level.windowMs,
          admitted,
          remaining: admitted ? room - level.weight : hasSubject ? room : 0,
          resetUs: admitted ? waitUs(units, 1) || windowUs : refusedUs || windowUs,
        },
        write() {
          if (!admitted) return null;
          const log = found ?? { units: [], endUs: 0 };
          return add(key, log, { atUs: nowUs, agent, count: level.weight }, windowUs);
        },
      };
    },
  };
}

function createLocalSlots(bounds: Pick<Bounds, 'maxSubjects'>) {
  /** By subject: when each slot expires, by its id. */
  const slots = new Map<string, Map<string, number>>();

  return {
    /** Slots expire in no order, so one subject is checked per call, in turn. */
    forgetExpired(nowUs: number) {
      for (const [key, held] of slots) {
        slots.delete(key);
        for (const [id, endUs] of held) if (endUs <= nowUs) held.delete(id);
        if (held.size > 0) slots.set(key, held);
        break;
      }
    },

    evaluate(key: string, level: ConcurrencyLevel, quotaShare: number, nowUs: number): Evaluated {
      // At least one: this bounds what runs at one time, not how much is admitted.
      const limit = quotaShare > 0 ? Math.max(1, wholeUnits(level.limit * quotaShare)) : 0;
      const held = slots.get(key) ?? new Map<string, number>();
      for (const [id, endUs] of held) if (endUs <= nowUs) held.delete(id);
      if (held.size === 0) slots.delete(key);
      const hasSubject = slots.has(key) || slots.size < bounds.maxSubjects;
      const admitted = held.size < limit && hasSubject;
      const endUs = nowUs + level.slotTtlMs * 1_000;
      const endsUs = [...held.values(), ...(admitted ? [endUs] : [])].sort((a, b) => a - b);
      const nextUs = (admitted ? endsUs[0] : limit > 0 && endsUs[held.size - limit]) || endUs;
      return {
        state: {
          ...commonState(level, limit),
          windowMs: 0,
          admitted,
          remaining: Math.max(0, limit - held.size - (admitted ? 1 : 0)),
          resetUs: nextUs - nowUs,
        },
        write() {
          if (admitted) slots.set(key, held.set(level.slotId, endUs));
          return null;
        },
      };
    },

    /** False when the slot is not held here. */
    release(key: string, slotId: string): boolean {
      const held = slots.get(key);
      const wasHeld = held?.delete(slotId) ?? false;
      if (held?.size === 0) slots.delete(key);
      return wasHeld;
    },
  };
}

const sumOf = (units: readonly Unit[]) => units.reduce((total, { count }) => total + count, 0);

const keyOf = ({ tag }: LimitRequest, level: Level) => `${tag} ${level.policy}:${level.subject}`;

const commonState = (level: Level, limit: number) => ({
  policy: level.policy,
  shadow: level.shadow,
  limit,
});

/** The unit whose expiry makes room for `needed` more. */
function unitThatFrees(units: readonly Unit[], needed: number): Unit | undefined {
  let freed = 0;
  for (const unit of units) {
    freed += unit.count;
    if (freed >= needed) return unit;
  }
  return undefined;
}

/** This level had room and another refused: it counts nothing. */
function withoutCounting(state: LevelState, { levels }: LimitRequest): LevelState {
  if (!state.admitted) return state;
  const level = levels.find(({ policy }) => policy === state.policy);
  const weight = level && level.kind !== 'lease' ? level.weight : 1;
  const remaining = state.remaining + weight;
  return { ...state, remaining, resetUs: remaining === state.limit ? 0 : state.resetUs };
}
