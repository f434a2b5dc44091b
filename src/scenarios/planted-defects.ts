/**
 * How many planted defects the checker of each invariant catches, by kill matrix. The tests in kill-matrix/ count them
 * and compare; a report shows the sum.
 */
import type { PlantedDefects } from '../sim/result.ts';
import type { Scenario } from '../sim/scenario.ts';

type Counts = Readonly<Record<string, PlantedDefects>>;

const all = (planted: number): PlantedDefects => ({ planted, caught: planted });

/** Invariants by kill matrix. */
export const PLANTED_DEFECTS = {
  audit: {
    'audit-once': all(9),
    'audit-atomic': all(1),
    'audit-order': all(2),
    'audit-chain': all(4),
  },
  'audit-crash': { 'audit-once': all(3) },
  'audit-fields': { 'audit-fields': all(27), 'audit-time': all(5), 'audit-once': all(1) },
  'audit-denials': { 'audit-denials': all(8) },
  rest: { 'at-rest': all(6) },
  activity: { 'activity-correct': all(2) },
  sessions: {
    'logout-final': all(22),
    'sessions-survive': all(3),
    'life-cycle': all(1),
    'logins-honest': all(3),
    'forged-refused': all(3),
    'idle-timeout': all(2),
    'absolute-timeout': all(2),
  },
  limits: {
    'window-exact': all(8),
    'no-false-refusals': all(2),
    'weights-exact': all(1),
    'levels-together': all(1),
    'agents-fair': all(2),
    'retry-after-honest': all(3),
    refunds: all(1),
  },
  'limit-levels': {
    'levels-exact': all(10),
    'level-refusals': all(4),
    'remaining-exact': all(2),
    'refunds-given': all(3),
    'slots-returned': all(2),
    'searchers-served': all(1),
    'degraded-bounded': all(2),
    'agents-fair': all(1),
    'stolen-key-bounded': all(1),
    'window-exact': all(1),
  },
  'limit-outage': { 'degraded-bounded': all(6) },
} as const satisfies Readonly<Record<string, Counts>>;

/** The scenario, its invariants with the defects that their checkers catch. */
export function withPlantedDefects(scenario: Scenario): Scenario {
  return {
    ...scenario,
    declare: (options) => {
      const declared = scenario.declare(options);
      const invariants = declared.invariants.map((invariant) => {
        const planted = countPlanted(invariant.id);
        return planted === undefined ? invariant : { ...invariant, planted };
      });
      return { ...declared, invariants };
    },
  };
}

function countPlanted(invariant: string): PlantedDefects | undefined {
  const counts = Object.values<Counts>(PLANTED_DEFECTS).flatMap(
    (matrix) => matrix[invariant] ?? [],
  );
  if (counts.length === 0) return undefined;
  return counts.reduce((sum, { planted, caught }) => ({
    planted: sum.planted + planted,
    caught: sum.caught + caught,
  }));
}
