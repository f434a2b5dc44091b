import { expect, it } from 'vitest';
import type { PhaseRecord } from '../../history.ts';
import { factOf, operation } from '../fixtures/records.ts';
import { selectViews } from './record-views.ts';

const phase = (name: string, startUs: number, judged: boolean): PhaseRecord => ({
  kind: 'phase',
  name,
  startUs,
  endUs: startUs + 1_000,
  judged,
});
const refused = { outcome: 'fail', status: 401 } as const;
const idsOf = (records: readonly { readonly id: number }[]) => records.map(({ id }) => id);

it('selects what judged phases sent, and keeps the rest for the charts', () => {
  const history = [
    phase('warm-up', 0, false),
    phase('measure', 1_000, true),
    operation(1, { phase: 'warm-up' }),
    operation(2),
    factOf(operation(2)),
  ];
  const views = selectViews({ history, expectedRefusals: [] });
  expect(idsOf(views.operations)).toEqual([1, 2]);
  expect(idsOf(views.judged)).toEqual([2]);
  expect(idsOf(views.judgedAttempts)).toEqual([2]);
  expect(idsOf(views.shownJudged)).toEqual([2]);
  expect(views.span).toEqual({ startUs: 1_000, endUs: 2_000 });
});

it('shows a refusal as ok only with status 401 and of an operation that expects one', () => {
  const history = [
    phase('measure', 0, true),
    operation(1, { ...refused, name: 'check of an ended session' }),
    operation(2, refused),
    operation(3, { ...refused, name: 'check of an ended session', status: 403 }),
    operation(4, { name: 'check of an ended session', outcome: 'unknown', status: 401 }),
  ];
  const { shown, operations } = selectViews({
    history,
    expectedRefusals: ['check of an ended session'],
  });
  expect(shown.map(({ outcome }) => outcome)).toEqual(['ok', 'fail', 'fail', 'unknown']);
  expect(operations.map(({ outcome }) => outcome)).toEqual(['fail', 'fail', 'fail', 'unknown']);
});
