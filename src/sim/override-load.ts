/** `--rate`, `--duration` and `--load` on a plan: what they replace, and which scenarios they cannot be given to. */
import { UsageError } from './errors.ts';
import type { LoadOverride } from './load-kind.ts';
import { LOAD_KINDS } from './load-kinds.ts';
import type { Plan, PlannedArm } from './plan.ts';
import type { Phase } from './scenario.ts';

/** Throws UsageError where the scenario's loads cannot be replaced, or a generator has no rate to play. */
export function overridden(plan: Plan, given: LoadOverride): Plan {
  const { ratePerSecond, durationMs, tool } = given;
  if (ratePerSecond === undefined && durationMs === undefined && tool === null) return plan;
  if (plan.arms.some(({ phases }) => phases.some(isScripted))) throw scripted(plan, given);
  if (tool !== null && ratePerSecond === undefined) throw withoutRate(plan, tool);
  const arms = plan.arms.map((arm) => {
    const phases = arm.phases.flatMap((phase) => replaced(phase, given));
    // Another load than the documented one need not show the documented figures.
    return ratePerSecond === undefined ? { ...arm, phases } : { ...arm, phases, documented: [] };
  });
  const generator = tool === null || ratePerSecond === undefined ? null : { tool, ratePerSecond };
  return { ...plan, arms, generator };
}

/** Its rates and lengths belong to its faults and its verdict: changed, it would prove something else. */
function isScripted({ load, faults = [] }: Phase): boolean {
  return faults.length > 0 || LOAD_KINDS.of(load.kind).override === undefined;
}

function replaced(phase: Phase, given: LoadOverride): PlannedArm['phases'] {
  const instead = LOAD_KINDS.of(phase.load.kind).override?.(phase.load, given) ?? null;
  if (instead === null) return [];
  const { load, note = phase.note } = instead;
  return [{ ...phase, note, load: load as Phase['load'] }];
}

function scripted({ id }: Plan, { ratePerSecond, tool }: LoadOverride): UsageError {
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

function withoutRate({ id }: Plan, tool: string): UsageError {
  return new UsageError({
    what: `--load ${tool} needs --rate`,
    why: 'it plays open arrivals at a rate; the documented load is users who think, held by our own sender',
    next: `platform sim ${id} --load ${tool} --rate 200/s`,
  });
}
