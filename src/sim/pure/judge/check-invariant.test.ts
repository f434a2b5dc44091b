import { expect, it } from 'vitest';
import type { Invariant } from '../../scenario.ts';
import { checkInvariant } from './check-invariant.ts';

const unfair: Invariant = {
  id: 'fair',
  statement: 'each gets its share',
  dependsOnArrivals: true,
  check: () => ({ verdict: 'fail', checked: 10, violations: 1, witness: [{ who: 'one' }] }),
};

it('says of a result what the verdict needs: that it depends on arrivals', () => {
  expect(checkInvariant(unfair, [], [])).toMatchObject({
    verdict: 'fail',
    dependsOnArrivals: true,
  });
  const { dependsOnArrivals: _, ...exact } = unfair;
  expect(checkInvariant(exact, [], [])).not.toHaveProperty('dependsOnArrivals');
});

it('finds nothing in a history without its end', () => {
  const lost = { isGenerator: true, what: 'the generator was killed' };
  expect(checkInvariant(unfair, [], [lost])).toMatchObject({
    verdict: 'unknown',
    reason: 'the history is not whole: the generator was killed',
  });
});
