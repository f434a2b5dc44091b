/** A scenario of the platform: besides its own invariants, no process leaks what it holds. */
import { checkAtRest } from '../checkers/resources/check-at-rest.ts';
import type { Invariant, Scenario } from '../sim/scenario.ts';
import { defineScenario } from './define.ts';

export const atRest: Invariant = {
  id: 'at-rest',
  statement: 'after the load every process holds what it held before, and its pools are idle',
  needsRest: true,
  check: (history) =>
    checkAtRest({
      history,
      pools: { open: 'pg_pool_connections', idle: 'pg_pool_idle', size: 'pg_pool_size' },
      postgres: 'postgres',
      redis: 'redis',
    }),
};

export function definePlatformScenario<Kind extends Scenario>(scenario: Kind): Kind {
  return defineScenario({
    ...scenario,
    declare(options) {
      const declared = scenario.declare(options);
      return { ...declared, invariants: [...declared.invariants, atRest] };
    },
  });
}
