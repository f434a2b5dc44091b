import { describe, expect, it } from 'vitest';
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import { factOf, operation } from '../../sim/pure/fixtures/records.ts';
import { type AuditFieldsInput, checkAuditFields } from './check-audit-fields.ts';

const operations = Array.from({ length: 40 }, (_, id) => operation(id));
/** Every fourth by a key, without a session. */
const expectedOf = ({ id }: OperationRecord) =>
  id % 4 === 0
    ? { key: String(id), agent: id % 8, session: null, region: 'us', device: undefined }
    : { key: null, agent: null, session: `s${id % 3}`, region: 'us', device: `d${id}` };
const recordedIn = ({ facts = {} }: FactRecord) => facts;
const rowOf = (cause: OperationRecord) => {
  const fields = Object.entries(expectedOf(cause)).filter(([, value]) => value != null);
  return factOf(cause, { facts: Object.fromEntries(fields) as NonNullable<FactRecord['facts']> });
};
const rows = operations.map(rowOf);
const check = (changes: Partial<AuditFieldsInput> = {}) =>
  checkAuditFields({
    operations,
    rows,
    expectedOf,
    recordedIn,
    mustHaveSeen: ['key', 'agent', 'session', 'device'],
    ...changes,
  });
const withFacts = (at: number, change: FactRecord['facts'] & object) =>
  rows.map((row, index) => (index === at ? { ...row, facts: { ...row.facts, ...change } } : row));
const without = (at: number, field: string) =>
  rows.map((row, index) => {
    if (index !== at) return row;
    const { [field]: _, ...facts } = row.facts ?? {};
    return { ...row, facts };
  });
const first = ({ witness }: { witness: readonly object[] }) =>
  (witness[0] as { violation: string }).violation;
const figure = (answer: ReturnType<typeof check>, id: string) =>
  answer.figures?.find((one) => one.id === id)?.value;

describe('the fields of a record', () => {
  it('pass when each is what the client sent and the account is', () => {
    const answer = check();
    expect(answer).toMatchObject({ verdict: 'pass', checked: 40, violations: 0 });
    // Five fields of 40 records, but for the device of every fourth.
    expect(figure(answer, 'fields-compared')).toBe(190);
    expect(figure(answer, 'fields-smallest-rate')).toBe(3 / 30);
  });

  it.each([
    ['another value', withFacts(4, { key: '8' }), 'key: recorded 8, right is 4'],
    ['null instead of a value', without(4, 'key'), 'key: recorded nothing, right is 4'],
    ['zero as null', without(8, 'agent'), 'agent: recorded nothing, right is 0'],
    ['a value instead of null', withFacts(5, { key: '4' }), 'key: recorded 4, right is nothing'],
    ['another type', withFacts(4, { key: 4 }), 'key: recorded 4, right is 4'],
    ['a constant field', withFacts(5, { region: 'eu' }), 'region: recorded eu, right is us'],
  ])('fail with %s', (_, given, violation) => {
    const answer = check({ rows: given });
    expect([answer.verdict, answer.violations, first(answer)]).toEqual(['fail', 1, violation]);
    expect(figure(answer, 'fields-smallest-rate')).toBeNull();
  });

  it('compare nothing where any value is right', () => {
    expect(check({ rows: withFacts(4, { device: 'whatever' }) }).verdict).toBe('pass');
  });

  it('leave records of no operation, and of one never sent, to other checks', () => {
    const never = operation(90, { sentUs: -1, outcome: 'fail', status: 0 });
    const given = [...rows, factOf(never), factOf(operation(91))];
    expect(check({ operations: [...operations, never], rows: given })).toMatchObject({
      verdict: 'pass',
      checked: 40,
    });
  });

  it('compare the records of unanswered operations too', () => {
    const unanswered = operations.map((one) =>
      one.id === 5 ? operation(5, { outcome: 'unknown', status: 0, error: 'timeout' }) : one,
    );
    expect(check({ operations: unanswered }).checked).toBe(40);
    expect(check({ operations: unanswered, rows: withFacts(5, { session: 's9' }) }).verdict).toBe(
      'fail',
    );
  });

  it('are unknown where a required field was never seen with two values', () => {
    const bySession = operations.filter(({ id }) => id % 4 !== 0);
    const noKeys = check({ operations: bySession });
    expect([noKeys.verdict, noKeys.reason]).toEqual([
      'unknown',
      'no two different values of key, agent',
    ]);
    // A constant would pass.
    expect(check({ mustHaveSeen: ['region'] }).verdict).toBe('unknown');
    expect(check({ mustHaveSeen: ['address'] }).verdict).toBe('unknown');
    expect(check({ rows: [], mustHaveSeen: [] })).toMatchObject({
      verdict: 'unknown',
      reason: 'no record was compared',
    });
  });

  it('show each wrong field once among the witnesses', () => {
    const given = rows.map((row) => ({ ...row, facts: { ...row.facts, session: 'x' } }));
    const answer = check({
      rows: given.map((row) => ({ ...row, facts: { ...row.facts, key: 'y' } })),
    });
    expect(answer.violations).toBe(80);
    expect(answer.witness).toHaveLength(2);
    expect(figure(answer, 'fields-wrong')).toBe(2);
  });
});
