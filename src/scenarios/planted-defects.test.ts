import { expect, it } from 'vitest';
import { scenarios } from './index.ts';
import { PLANTED_DEFECTS } from './planted-defects.ts';

const invariantsOf = (id: string) =>
  scenarios.find((one) => one.id === id)!.declare({ quick: true, seed: 1 }).invariants;

it('an invariant of the platform has the defects of every matrix that plants it', () => {
  const planted = new Map(invariantsOf('turn3').map((one) => [one.id, one.planted]));
  const { audit, 'audit-crash': crash, 'audit-fields': fields } = PLANTED_DEFECTS;
  const sum =
    audit['audit-once'].planted + crash['audit-once'].planted + fields['audit-once'].planted;
  expect(planted.get('audit-once')).toEqual({ planted: sum, caught: sum });
  expect(planted.get('at-rest')).toEqual(PLANTED_DEFECTS.rest['at-rest']);
});

it('no invariant of a built-in scenario is without a planted defect', () => {
  for (const { id } of scenarios)
    for (const { id: invariant, planted } of invariantsOf(id))
      expect(planted?.planted ?? 0, `${id} ${invariant}`).toBeGreaterThan(0);
});
