/**
 * From a scenario and what was asked for to a plan. Everything that the scale, the seed, a rate, a length or the choice of
 * arms changes is decided here, once; a scenario that could only fail later is refused here, before anything is started.
 */
import { checkPlan } from './check-plan.ts';
import { OperatorError, UsageError } from './errors.ts';
import { overridden } from './override-load.ts';
import type { Plan, PlannedArm, PlannedSlo } from './plan.ts';
import type { LoadTool } from './pure/load-tool.ts';
import { parseSlo } from './pure/slo.ts';
import type { ArmName } from './result.ts';
import type { Arm, Declaration, DeclareOptions, Scenario, Slo } from './scenario.ts';

/** The order in which arms run. */
const ARM_NAMES: readonly ArmName[] = ['before', 'sample', 'after'];

export interface ResolveOptions {
  readonly quick: boolean;
  readonly seed: number;
  /** Open arrivals at this rate in place of populations; searches are left out. */
  readonly ratePerSecond?: number | undefined;
  /** Length of the judged phase. */
  readonly durationMs?: number | undefined;
  /** Plays the arrivals of `ratePerSecond` in place of our own sender. */
  readonly tool?: LoadTool | undefined;
  /** Default: all that the scenario has. */
  readonly arms?: readonly ArmName[] | undefined;
  /** Runs the design of `before` as `after` and the other way round: the verdict must notice. For self-checks. */
  readonly swapArms?: boolean | undefined;
}

/** Throws UsageError: a scenario that cannot be run as declared, or not as asked. */
export function resolve(scenario: Scenario, options: ResolveOptions): Plan {
  const { quick, seed } = options;
  const declared = declaredBy(scenario, { quick, seed });
  const { declare: _, ...identity } = scenario;
  const plan: Plan = {
    ...identity,
    seed,
    scale: quick ? 'quick' : 'full',
    scaleNote: declared.scaleNote,
    arms: plannedArms(declared),
    slos: declared.slos.map((slo) => plannedSlo(slo, quick)),
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
  const swapped = options.swapArms ? withSwappedDesigns(plan.arms) : plan.arms;
  const arms = chosenArms(plan.id, swapped, options.arms);
  const { ratePerSecond, durationMs, tool = null } = options;
  const chosen = { ...plan, arms, notes: notCompared(plan.slos, arms) };
  return overridden(chosen, { ratePerSecond, durationMs, tool });
}

/** Throws UsageError for what its author could not have meant: it throws, or lacks a part. */
function declaredBy(scenario: Scenario, options: DeclareOptions): Declaration {
  const refuse = (why: string, cause?: unknown) =>
    new UsageError(
      {
        what: `${scenario.id} does not declare what happens in a run`,
        why,
        next: 'return { arms, slos, invariants, effects, scaleNote } from its declare',
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

function plannedArms({ arms, documented = [] }: Declaration): PlannedArm[] {
  return ARM_NAMES.flatMap((name) => {
    const arm = arms[name];
    if (arm === undefined) return [];
    return [{ ...arm, name, documented: arm.expected === 'fail' ? documented : [] }];
  });
}

function plannedSlo({ quickObjective, ...slo }: Slo, quick: boolean): PlannedSlo {
  return quick && quickObjective !== undefined ? { ...slo, objective: quickObjective } : slo;
}

/** Each under the other's name, load and expectations. */
function withSwappedDesigns(arms: readonly PlannedArm[]): PlannedArm[] {
  const other: Partial<Record<ArmName, ArmName>> = { before: 'after', after: 'before' };
  const byName = new Map<ArmName | undefined, Arm>(arms.map((arm) => [arm.name, arm]));
  return arms.map((arm) => {
    const { design, description, topology } = byName.get(other[arm.name]) ?? arm;
    return { ...arm, design, description, topology };
  });
}

function chosenArms(
  id: string,
  arms: readonly PlannedArm[],
  asked: readonly ArmName[] | undefined,
): readonly PlannedArm[] {
  if (asked === undefined) return arms;
  const present = arms.map(({ name }) => name);
  const missing = asked.find((name) => !present.includes(name));
  if (missing === undefined) return arms.filter(({ name }) => asked.includes(name));
  throw new UsageError({
    what: `${id} has no design "${missing}"`,
    why: `it compares ${present.join(' and ')}`,
    next: `platform sim ${id} --design ${present.join(',')}`,
  });
}

/** Objectives that speak of an arm which is not part of the run are left out, and that is said. */
function notCompared(slos: readonly PlannedSlo[], arms: readonly PlannedArm[]): string[] {
  return slos.flatMap(({ id, objective }) => {
    const { arm } = parseSlo(objective);
    return arm === null || arms.some(({ name }) => name === arm)
      ? []
      : [`${id} is not judged: it compares with ${arm}, which is not part of this run`];
  });
}
