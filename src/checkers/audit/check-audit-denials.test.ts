import { describe, expect, it } from 'vitest';
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import { factOf, operation } from '../../sim/pure/fixtures/records.ts';
import { type AuditDenialsInput, checkAuditDenials } from './check-audit-denials.ts';

const refused = (id: number, fields: Partial<OperationRecord> = {}) =>
  operation(id, { name: `kind ${id % 2}`, outcome: 'fail', status: 403, ...fields });
const operations = Array.from({ length: 10 }, (_, id) => refused(id));
const kindOf = ({ name }: OperationRecord) => ({ action: name, organisation: '7' });
const row = (action: string, count: number, organisation = '7'): FactRecord =>
  factOf(operation(1), {
    name: 'audit-denials',
    subject: String(count),
    facts: { action, organisation },
  });
const recordedIn = ({ subject, facts = {} }: FactRecord) => ({
  kind: facts,
  count: Number(subject),
});
const rows = [row('kind 0', 1), row('kind 0', 4), row('kind 1', 5)];
const check = (changes: Partial<AuditDenialsInput> = {}) => {
  const { verdict, violations, checked } = checkAuditDenials({
    operations,
    rows,
    kindOf,
    recordedIn,
    ...changes,
  });
  return [verdict, violations, checked];
};

const some = [row('kind 0', 1), row('kind 1', 1)];

describe('counted denials', () => {
  it('pass when the numbers of each kind add up', () => {
    expect(check()).toEqual(['pass', 0, 10]);
  });

  it.each([
    ['too few', [row('kind 0', 4), row('kind 1', 5)], 1],
    ['none of a kind', [row('kind 0', 5)], 5],
    ['too many', [...rows, row('kind 1', 1)], 1],
    ['another tenant', [row('kind 0', 5, '0'), row('kind 1', 5)], 10],
    ['a kind that was never answered', [...rows, row('kind 2', 3)], 3],
  ])('fail with %s', (_, given, violations) => {
    expect(check({ rows: given })).toEqual(['fail', violations, 10]);
  });

  it('may be recorded without an answer', () => {
    const cut = [...operations, refused(10, { outcome: 'unknown', status: 0 })];
    expect(check({ operations: cut })).toEqual(['pass', 0, 10]);
    expect(check({ operations: cut, rows: [...rows, row('kind 0', 1)] })).toEqual(['pass', 0, 10]);
    expect(check({ operations: cut, rows: [...rows, row('kind 0', 2)] })).toEqual(['fail', 1, 10]);
  });

  it('may lose counts where processes are killed, but no kind', () => {
    expect(check({ rows: some, mayLoseCounts: true })).toEqual(['pass', 0, 10]);
    expect(check({ rows: some.slice(1), mayLoseCounts: true })).toEqual(['fail', 1, 10]);
  });

  it('may stand elsewhere where the credential could not be looked up', () => {
    const elsewhere = [...some, row('kind 0', 2, '0')];
    const otherwiseOf = ({ name }: OperationRecord) => ({ action: name, organisation: '0' });
    expect(check({ rows: elsewhere, mayLoseCounts: true })).toEqual(['fail', 2, 10]);
    expect(check({ rows: elsewhere, mayLoseCounts: true, otherwiseOf })).toEqual(['pass', 0, 10]);
  });

  it('prove nothing when there were none', () => {
    expect(check({ operations: [], rows: [] })).toEqual(['unknown', 0, 0]);
    expect(check({ mustHaveSeen: 3 })).toEqual(['unknown', 0, 10]);
  });
});
