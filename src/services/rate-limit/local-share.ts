/**
 * Exact windows inside one process, for when Redis cannot be asked: the same decision as the store's, with limits cut
 * to this process's part. Pure in time: the caller gives it. What it remembers is bounded; a subject that does not
 * fit is refused, and one is forgotten only when its window is over.
 */
import type { Level, LevelState, Question } from './contract.ts';

export interface LocalDecision {
  readonly admitted: boolean;
  readonly levels: readonly LevelState[];
  /** Takes the units of the windows back. */
  refund(): void;
}

export interface LocalShare {
  /** `factor`: of each limit, 0 to 1. `part`: this process's even part, for leases. */
  decide(
    question: Question,
    by: { readonly factor: number; readonly part: number },
    nowUs: number,
  ): LocalDecision;
  /** False when none of these leases is held here. */
  release(question: Question): boolean;
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

interface Judged {
  readonly state: LevelState;
  write(): (() => void) | null;
}

/** Not 0.999: parts are fractions, their sums are not exact. */
const whole = (units: number) => Math.floor(units + 1e-6);

/** Subjects forgotten in one decision: many end together after a burst. */
const atOnce = 100;

export function createLocalShare(
  bounds: { readonly maxSubjects: number; readonly maxUnits: number } = {
    maxSubjects: 50_000,
    maxUnits: 2_000_000,
  },
): LocalShare {
  /** In the order of the last admission. */
  const logs = new Map<string, Log>();
  const leases = new Map<string, Map<string, number>>();
  let entries = 0;

  const forget = (nowUs: number) => {
    let left = atOnce;
    for (const [key, log] of logs) {
      if (log.endUs > nowUs || left === 0) break;
      left -= 1;
      logs.delete(key);
      entries -= log.units.length;
    }
    // Leases end in no order: the next one in turn.
    for (const [key, held] of leases) {
      leases.delete(key);
      for (const [id, endUs] of held) if (endUs <= nowUs) held.delete(id);
      if (held.size > 0) leases.set(key, held);
      break;
    }
  };

  const cut = (log: Log, nowUs: number, windowUs: number) => {
    const live = log.units.findIndex(({ atUs }) => nowUs - atUs < windowUs);
    const gone = live < 0 ? log.units.length : live;
    if (gone > 0) log.units.splice(0, gone);
    entries -= gone;
  };

  const judgeWindow = (
    key: string,
    level: Exclude<Level, { kind: 'lease' }>,
    factor: number,
    nowUs: number,
  ): Judged => {
    const windowUs = level.windowMs * 1_000;
    const limit = whole(level.limit * factor);
    const found = logs.get(key);
    if (found) cut(found, nowUs, windowUs);
    const units = found?.units ?? [];
    const agent = level.kind === 'share' ? level.agent : 0;
    const sum = (of: readonly Unit[]) => of.reduce((total, { count }) => total + count, 0);
    const taken = sum(units);
    // Nobody may take a whole key's share; max-min needs what only the store knows.
    const cap = level.kind === 'share' ? Math.max(1, Math.floor(limit / 2)) : limit;
    const mine = level.kind === 'share' ? units.filter((unit) => unit.agent === agent) : units;
    const room = Math.max(0, Math.min(limit - taken, cap - sum(mine)));
    const fits = found !== undefined || logs.size < bounds.maxSubjects;
    const admitted = room >= level.weight && fits && entries < bounds.maxUnits;
    const wait = (of: readonly Unit[], needed: number) => {
      if (needed <= 0) return 0;
      const unit = firstRoom(of, needed);
      return unit ? unit.atUs + windowUs - nowUs : windowUs;
    };
    const refusedUs = Math.max(
      wait(units, taken + level.weight - limit),
      wait(mine, sum(mine) + level.weight - cap),
    );
    return {
      state: {
        ...common(level, limit),
        windowMs: level.windowMs,
        admitted,
        remaining: admitted ? room - level.weight : fits ? room : 0,
        resetUs: admitted ? wait(units, 1) || windowUs : refusedUs || windowUs,
      },
      write() {
        if (!admitted) return null;
        const log = found ?? { units: [], endUs: 0 };
        const unit = { atUs: nowUs, agent, count: level.weight };
        log.units.push(unit);
        log.endUs = nowUs + windowUs;
        entries += 1;
        logs.delete(key);
        logs.set(key, log);
        return () => {
          const at = log.units.indexOf(unit);
          if (at < 0) return;
          log.units.splice(at, 1);
          if (logs.get(key) === log) entries -= 1;
        };
      },
    };
  };

  const judgeLease = (
    key: string,
    level: Extract<Level, { kind: 'lease' }>,
    part: number,
    nowUs: number,
  ): Judged => {
    // One at least: a bound on what runs at one time, not on how much is admitted.
    const limit = part > 0 ? Math.max(1, whole(level.limit * part)) : 0;
    const held = leases.get(key) ?? new Map<string, number>();
    for (const [id, endUs] of held) if (endUs <= nowUs) held.delete(id);
    if (held.size === 0) leases.delete(key);
    const fits = leases.has(key) || leases.size < bounds.maxSubjects;
    const admitted = held.size < limit && fits;
    const endUs = nowUs + level.leaseMs * 1_000;
    const ends = [...held.values(), ...(admitted ? [endUs] : [])].sort((a, b) => a - b);
    const next = (admitted ? ends[0] : limit > 0 && ends[held.size - limit]) || endUs;
    return {
      state: {
        ...common(level, limit),
        windowMs: 0,
        admitted,
        remaining: Math.max(0, limit - held.size - (admitted ? 1 : 0)),
        resetUs: next - nowUs,
      },
      write() {
        if (!admitted) return null;
        leases.set(key, held.set(level.leaseId, endUs));
        return null;
      },
    };
  };

  return {
    decide(question, { factor, part }, nowUs) {
      forget(nowUs);
      const judged = question.levels.map((level) => {
        const key = keyOf(question, level);
        return level.kind === 'lease'
          ? judgeLease(key, level, part, nowUs)
          : judgeWindow(key, level, factor, nowUs);
      });
      const admitted = judged.every(({ state }) => state.admitted || state.shadow);
      const undo = admitted ? judged.map((one) => one.write()) : [];
      return {
        admitted,
        levels: judged.map(({ state }) => (admitted ? state : notCounted(state, question))),
        refund: () => {
          for (const back of undo) back?.();
        },
      };
    },
    release(question) {
      let found = false;
      for (const level of question.levels) {
        if (level.kind !== 'lease') continue;
        const key = keyOf(question, level);
        const held = leases.get(key);
        if (held?.delete(level.leaseId)) found = true;
        if (held?.size === 0) leases.delete(key);
      }
      return found;
    },
  };
}

const keyOf = ({ tag }: Question, level: Level) => `${tag} ${level.policy}:${level.subject}`;

const common = (level: Level, limit: number) => ({
  policy: level.policy,
  shadow: level.shadow,
  limit,
});

/** The unit whose end makes room for `needed` more. */
function firstRoom(units: readonly Unit[], needed: number): Unit | undefined {
  let freed = 0;
  for (const unit of units) {
    freed += unit.count;
    if (freed >= needed) return unit;
  }
  return undefined;
}

/** A level that had room has kept it, because another refused. */
function notCounted(state: LevelState, { levels }: Question): LevelState {
  if (!state.admitted) return state;
  const level = levels.find(({ policy }) => policy === state.policy);
  const weight = level && level.kind !== 'lease' ? level.weight : 1;
  const remaining = state.remaining + weight;
  return { ...state, remaining, resetUs: remaining === state.limit ? 0 : state.resetUs };
}
