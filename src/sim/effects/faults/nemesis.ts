/**
 * Takes the planned faults of one phase through their lives: waits for the trigger, applies, waits until it is
 * seen to have taken effect, undoes, and probes until the undo is proven. Every wait has a limit. end() runs on
 * every way out and returns only when nothing is applied any more; what never landed or never healed is a
 * problem, and a run with a problem proves nothing.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultTrigger, PlannedFault } from '../../fault-plan.ts';
import type { FaultRecord } from '../../history.ts';
import { monotonicUs } from '../load/engine/monotonic-clock.ts';
import type { Fault, FaultTargets } from './fault.ts';
import { createFault } from './fault-kinds.ts';
import { awaitTrigger, describeTrigger } from './trigger.ts';
import { withTimeout } from './with-timeout.ts';

export interface NemesisLimits {
  /** From `afterMs` until the event of the trigger. */
  readonly triggerMs: number;
  readonly landMs: number;
  /** A database that recovers needs its time. */
  readonly undoMs: number;
  readonly healMs: number;
}

const LIMITS: NemesisLimits = { triggerMs: 60_000, landMs: 10_000, undoMs: 30_000, healMs: 15_000 };
const PROBE_INTERVAL_MS = 20;

export interface NemesisOptions {
  readonly faults: readonly PlannedFault[];
  readonly targets: FaultTargets;
  /** Microseconds on the history's clock. */
  readonly nowUs: () => number;
  readonly acknowledged: (operation: string) => Promise<unknown>;
  readonly signal: AbortSignal;
  readonly limits?: Partial<NemesisLimits>;
}

export interface NemesisReport {
  /** In order of time. */
  readonly records: readonly FaultRecord[];
  /** `redis-partition never landed: ...`, `redis-partition never healed: ...`. */
  readonly problems: readonly string[];
}

export interface Nemesis {
  /** Faults that are not over yet. */
  living(): number;
  /** Ends the phase's faults: undone, probed, reported. Idempotent, never rejects. */
  end(): Promise<NemesisReport>;
}

interface Planned {
  readonly plan: PlannedFault;
  readonly fault: Fault;
}

/** Starts the clock of every trigger. Throws before anything is done when a target does not exist. */
export function startNemesis(options: NemesisOptions): Nemesis {
  const { targets, signal, nowUs } = options;
  const { edges } = targets;
  const limits = { ...LIMITS, ...options.limits };
  const planned = options.faults.map((plan) => ({ plan, fault: createFault(plan.fault, targets) }));
  if (options.faults.some(({ at }) => at.commitInFlight) && !edges.seesCommits())
    throw new Error('a fault waits for a COMMIT, but no proxied edge leads to PostgreSQL');
  const records: FaultRecord[] = [];
  const problems: string[] = [];
  const originUs = monotonicUs() - nowUs();
  const ending = new AbortController();
  // Every fault waits on it, and there may be hundreds.
  setMaxListeners(0, ending.signal);
  const record = (name: string, event: FaultRecord['event'], detail?: string) =>
    records.push({
      kind: 'fault',
      name,
      event,
      atUs: nowUs(),
      ...(detail === undefined ? {} : { detail }),
    });

  /** True when there is something to undo. */
  const land = async ({ plan, fault }: Planned): Promise<boolean> => {
    const { name, at, forMs } = plan;
    const events = {
      acknowledged: options.acknowledged,
      commitInFlight: edges.seesCommits()
        ? (limitMs: number, until: AbortSignal) => edges.commitInFlight(limitMs, until)
        : null,
    };
    const wait = { limitMs: limits.triggerMs, signal: ending.signal };
    let due: string;
    try {
      due = await awaitTrigger(await whenOthersAreOver(plan), events, wait);
    } catch (error) {
      // An interrupted run was not meant to reach its later faults.
      if (!signal.aborted)
        problems.push(`${name} never landed: waited for ${describeTrigger(at)}, ${reason(error)}`);
      return false;
    }
    record(name, 'apply', due);
    try {
      record(name, 'landed', await withTimeout(fault.apply(), limits.landMs));
    } catch (error) {
      problems.push(`${name} never landed: ${reason(error)}`);
      return true;
    }
    await sleep(forMs ?? 2 ** 31 - 1, undefined, { signal: ending.signal }).catch(() => {});
    return true;
  };

  const heal = async ({ plan: { name }, fault }: Planned): Promise<void> => {
    record(name, 'undo');
    try {
      await withTimeout(fault.undo(), limits.undoMs);
      for (const decision of fault.decisions())
        records.push({ ...decision, name, atUs: decision.atUs - originUs });
      record(name, 'healed', await untilHealed(fault, limits.healMs));
    } catch (error) {
      problems.push(`${name} never healed: ${reason(error)}`);
    }
  };

  const lives = new Map<string, Promise<void>>();
  let living = planned.length;
  const whenOthersAreOver = async ({ at, after = [] }: PlannedFault): Promise<FaultTrigger> => {
    if (after.length === 0) return at;
    const { afterMs, latestMs } = at;
    await sleep(afterMs, undefined, { signal: ending.signal }).catch(() => {});
    await Promise.all(after.map((name) => lives.get(name)));
    ending.signal.throwIfAborted();
    return {
      ...at,
      afterMs: 0,
      ...(latestMs === undefined ? {} : { latestMs: latestMs - afterMs }),
    };
  };
  for (const one of planned) {
    const life = async () => {
      if (await land(one)) await heal(one);
      living -= 1;
    };
    lives.set(one.plan.name, life());
  }
  const end = async (): Promise<NemesisReport> => {
    ending.abort(new Error('the phase ended first'));
    signal.removeEventListener('abort', onAbort);
    await Promise.all(lives.values());
    return { records: records.sort((a, b) => a.atUs - b.atUs), problems };
  };
  const onAbort = () => void end();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return { living: () => living, end };
}

async function untilHealed(fault: Fault, limitMs: number): Promise<string> {
  const startedAt = performance.now();
  for (let probes = 1; ; probes += 1) {
    const answer = await withTimeout(fault.probe(), limitMs);
    if (answer === true) return `probe ${probes} passed`;
    if (performance.now() - startedAt > limitMs) throw new Error(answer);
    await sleep(PROBE_INTERVAL_MS);
  }
}

const reason = (error: unknown): string =>
  error instanceof Error ? error.message.split('\n')[0]! : String(error);
