/**
 * Resolves a scenario and the options of a run into a plan. Scale, seed, rate, duration and arms are applied here and
 * nowhere else; an invalid scenario is rejected before anything is started.
 */

import { OperatorError, UsageError } from '../errors.ts';
import type { PlanOptions } from '../history.ts';
import { parseSlo } from '../pure/judge/slo.ts';
import type { ArmName } from '../result.ts';
import type { Arm, Declaration, DeclareOptions, Scenario, Slo } from '../scenario.ts';
import { checkPlan } from './check-plan.ts';
import { overrideLoad } from './override-load.ts';
import type { Plan, PlannedArm, PlannedSlo } from './plan.ts';

/** The order in which arms run. */
const ARM_NAMES: readonly ArmName[] = ['before', 'sample', 'after'];

/** Throws UsageError: a scenario that cannot be run as declared, or not as requested. */
export function resolve(scenario: Scenario, options: PlanOptions): Plan {
  const { quick, seed } = options;
  const declared = readDeclaration(scenario, { quick, seed });
  const { declare: _, ...identity } = scenario;
  const plan: Plan = {
    ...identity,
    options,
    seed,
    scale: quick ? 'quick' : 'full',
    scaleNote: declared.scaleNote,
    arms: planArms(declared),
    slos: declared.slos.map((slo) => planSlo(slo, quick)),
    invariants: declared.invariants,
    tolerance: declared.tolerance ?? null,
    timeoutMs: declared.timeoutMs ?? 1_500,
    diagnosis: declared.diagnosis ?? null,
    costPhase: declared.costPhase ?? null,
    comparison: declared.comparison ?? null,
    generator: null,
    notes: [],
  };
  checkPlan(plan);
  const swapped = options.swapArms ? swapDesigns(plan.arms) : plan.arms;
  const arms = selectArms(plan.id, swapped, options.arms);
  const { ratePerSecond, durationMs, tool = null } = options;
  const chosen = { ...plan, arms, notes: describeUnjudged(plan.slos, arms) };
  return overrideLoad(chosen, { ratePerSecond, durationMs, tool });
}

/** Throws UsageError when `declare` throws or its result lacks a part. */
function readDeclaration(scenario: Scenario, options: DeclareOptions): Declaration {
  const refuse = (why: string, cause?: unknown) =>
    new UsageError(
      {
        what: `${scenario.id} does not declare what happens in a run`,
        why,
        next: 'return { arms, slos, invariants, scaleNote } from its declare',
      },
      { cause },
    );
  let declared: Partial<Declaration>;
  try {
    declared = scenario.declare(options);
  } catch (cause) {
    if (cause instanceof OperatorError) throw cause;
    throw refuse(`its declare threw: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
  const { arms, slos, invariants } = declared ?? {};
  if (typeof arms !== 'object' || arms === null) throw refuse('it has no arms');
  if (!Array.isArray(slos) || !Array.isArray(invariants))
    throw refuse('its SLOs and invariants are lists, which may be empty');
  return declared as Declaration;
}

function planArms({ arms, documented = [] }: Declaration): PlannedArm[] {
  return ARM_NAMES.flatMap((name) => {
    const arm = arms[name];
    if (arm === undefined) return [];
    return [{ ...arm, name, documented: arm.expected === 'fail' ? documented : [] }];
  });
}

function planSlo({ quickObjective, ...slo }: Slo, quick: boolean): PlannedSlo {
  return quick && quickObjective !== undefined ? { ...slo, objective: quickObjective } : slo;
}

/** Names, loads and expectations stay. */
function swapDesigns(arms: readonly PlannedArm[]): PlannedArm[] {
  const other: Partial<Record<ArmName, ArmName>> = { before: 'after', after: 'before' };
  const byName = new Map<ArmName | undefined, Arm>(arms.map((arm) => [arm.name, arm]));
  return arms.map((arm) => {
    const { design, description, topology } = byName.get(other[arm.name]) ?? arm;
    return { ...arm, design, description, topology };
  });
}

function selectArms(
  id: string,
  arms: readonly PlannedArm[],
  requested: readonly ArmName[] | undefined,
): readonly PlannedArm[] {
  if (requested === undefined) return arms;
  const present = arms.map(({ name }) => name);
  const missing = requested.find((name) => !present.includes(name));
  if (missing === undefined) return arms.filter(({ name }) => requested.includes(name));
  throw new UsageError({
    what: `${id} has no design "${missing}"`,
    why: `it compares ${present.join(' and ')}`,
    next: `platform sim ${id} --design ${present.join(',')}`,
  });
}

/** One sentence for each SLO that compares with an arm outside the run. */
function describeUnjudged(slos: readonly PlannedSlo[], arms: readonly PlannedArm[]): string[] {
  return slos.flatMap(({ id, objective }) => {
    const { arm } = parseSlo(objective);
    return arm === null || arms.some(({ name }) => name === arm)
      ? []
      : [`${id} is not judged: it compares with ${arm}, which is not part of this run`];
  });
}
