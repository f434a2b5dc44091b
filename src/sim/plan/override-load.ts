/** Applies `--rate`, `--duration` and `--load` to a plan, or rejects them for scenarios whose load is scripted. */
import { UsageError } from '../errors.ts';
import type { LoadOverride } from '../load-kind.ts';
import { LOAD_KINDS } from '../load-kinds.ts';
import type { Phase } from '../scenario.ts';
import type { Plan, PlannedArm } from './plan.ts';

/** Throws UsageError when the scenario's loads cannot be replaced, or a generator has no rate. */
export function overrideLoad(plan: Plan, given: LoadOverride): Plan {
  const { ratePerSecond, durationMs, tool } = given;
  if (ratePerSecond === undefined && durationMs === undefined && tool === null) return plan;
  if (plan.arms.some(({ phases }) => phases.some(isScripted))) throw scriptedError(plan, given);
  if (tool !== null && ratePerSecond === undefined) throw missingRateError(plan, tool);
  const arms = plan.arms.map((arm) => {
    const phases = arm.phases.flatMap((phase) => overridePhase(phase, given));
    // Documented figures belong to the documented load.
    return ratePerSecond === undefined ? { ...arm, phases } : { ...arm, phases, documented: [] };
  });
  const generator = tool === null || ratePerSecond === undefined ? null : { tool, ratePerSecond };
  return { ...plan, arms, generator };
}

/** Faults and verdict depend on the rates and durations of such a phase. */
function isScripted({ load, faults = [] }: Phase): boolean {
  return faults.length > 0 || LOAD_KINDS.of(load.kind).override === undefined;
}

function overridePhase(phase: Phase, given: LoadOverride): PlannedArm['phases'] {
  const replacement = LOAD_KINDS.of(phase.load.kind).override?.(phase.load, given) ?? null;
  if (replacement === null) return [];
  const { load, note = phase.note } = replacement;
  return [{ ...phase, note, load: load as Phase['load'] }];
}

function scriptedError({ id }: Plan, { ratePerSecond, tool }: LoadOverride): UsageError {
  if (tool !== null) {
    return new UsageError({
      what: `--load ${tool} cannot play ${id}`,
      why: 'its load and its faults are one script, tied to single operations: only our own sender plays it',
      next: `platform sim ${id}`,
    });
  }
  return new UsageError({
    what: `${ratePerSecond === undefined ? '--duration' : '--rate'} cannot be given to ${id}`,
    why: `the load and the faults of ${id} are one script`,
    next: `platform explain ${id}`,
  });
}

function missingRateError({ id }: Plan, tool: string): UsageError {
  return new UsageError({
    what: `--load ${tool} needs --rate`,
    why: 'it plays open arrivals at a rate; the documented load is users who think, held by our own sender',
    next: `platform sim ${id} --load ${tool} --rate 200/s`,
  });
}
