import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FactRecord, FaultRecord, OperationRecord } from '../../sim/history.ts';
import { faultWindows } from '../../sim/pure/faults/fault-windows.ts';
import { factOf, operation } from '../../sim/pure/fixtures/records.ts';
import { checkAudit } from './check-audit.ts';
import { checkAuditAtomic } from './check-audit-atomic.ts';
import { checkAuditChain } from './check-audit-chain.ts';
import { checkAuditOrder } from './check-audit-order.ts';

const OFFSET_US = 1_700_000_000_000_000;
const rowOf = (cause: OperationRecord, facts: FactRecord['facts'] = {}) =>
  factOf(cause, {
    facts: {
      action: 'project.read',
      outcome: cause.status < 400 ? 'success' : 'denied',
      shard: cause.id % 2,
      sequence: (cause.id >> 1) + 1,
      place: cause.id + 1,
      receivedAtUs: OFFSET_US + cause.sentUs + 200,
      ...facts,
    },
  });
const operations = Array.from({ length: 60 }, (_, id) =>
  id % 10 === 9 ? operation(id, { outcome: 'fail', status: 404 }) : operation(id),
);
const rows = operations.map((one) => rowOf(one));
const verified: FactRecord = {
  kind: 'effect',
  name: 'audit-chain',
  id: 'verify',
  requestId: '',
  user: '',
  occurredAtUs: 0,
  facts: { records: 60, blocks: 6, checkpoints: 2, notSequenced: 0, findings: 0 },
};
const changed = <T>(list: readonly T[], at: number, change: (one: T) => T) =>
  list.map((one, index) => (index === at ? change(one) : one));
const figure = (answer: ReturnType<typeof checkAudit>, id: string) =>
  answer.figures?.find((one) => one.id === id)?.value;
const first = (answer: { witness: readonly object[] }) =>
  (answer.witness[0] as { violation: string }).violation;

describe('the equation', () => {
  const actionOf = () => 'project.read';

  it('passes with one row for every response, denials too', () => {
    const answer = checkAudit({ operations, rows, actionOf });
    expect(answer).toMatchObject({ verdict: 'pass', checked: 60, violations: 0 });
    expect(figure(answer, 'audit-denials')).toBe(6);
  });

  it('requires no row of an operation that was not acknowledged, and counts those that were recorded', () => {
    const open = [
      operation(90, { outcome: 'unknown', status: 0, error: 'timeout' }),
      operation(91, { outcome: 'unknown', status: 503, error: 'http 503' }),
      operation(92, { outcome: 'fail', status: 401 }),
      operation(93, { user: '' }),
      operation(94, { outcome: 'fail', sentUs: -1, status: 0 }),
    ];
    const all = [...operations, ...open];
    expect(checkAudit({ operations: all, rows })).toMatchObject({ verdict: 'pass', checked: 60 });
    const recovered = checkAudit({ operations: all, rows: [...rows, rowOf(open[0]!)] });
    expect([recovered.verdict, figure(recovered, 'audit-recovered')]).toEqual(['pass', 1]);
  });

  it.each<[string, readonly FactRecord[], string]>([
    ['a lost row', rows.slice(1), 'lost'],
    ['a lost denial', rows.toSpliced(9, 1), 'lost'],
    ['a row without an operation', [...rows, rowOf(operation(777))], 'phantom'],
    ['a row twice', [...rows, rows[3]!], 'duplicate'],
    ['another user', changed(rows, 5, (row) => ({ ...row, user: 'u2' })), 'misattributed'],
    [
      'another action',
      changed(rows, 5, (row) => ({ ...row, facts: { ...row.facts, action: 'project.create' } })),
      'misattributed',
    ],
    [
      'a denial as a success',
      changed(rows, 9, (row) => ({ ...row, facts: { ...row.facts, outcome: 'success' } })),
      'misattributed',
    ],
    [
      'a success as a failure',
      changed(rows, 5, (row) => ({ ...row, facts: { ...row.facts, outcome: 'failure' } })),
      'misattributed',
    ],
  ])('fails with %s', (_, given, kind) => {
    const answer = checkAudit({ operations, rows: given, actionOf });
    expect([answer.verdict, answer.violations]).toEqual(['fail', 1]);
    expect(first(answer)).toContain(kind);
  });

  it('finds a row of an operation that was never sent', () => {
    const never = operation(90, { outcome: 'fail', sentUs: -1, status: 0 });
    const answer = checkAudit({
      operations: [...operations, never],
      rows: [...rows, rowOf(never)],
    });
    expect(first(answer)).toContain('never left');
  });

  it('is unknown without operations, or without the required denials', () => {
    expect(checkAudit({ operations: [], rows: [] }).verdict).toBe('unknown');
    const few = checkAudit({ operations, rows, mustHaveSeen: { denials: 7 } });
    expect([few.verdict, few.reason]).toEqual(['unknown', '6 operations were denied']);
  });

  it('counts every lost event, with ten witnesses at most', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(59), { minLength: 1 }), (dropped) => {
        const left = rows.filter((_, index) => !dropped.includes(index));
        const answer = checkAudit({ operations, rows: left });
        expect([answer.violations, figure(answer, 'audit-lost')]).toEqual([
          dropped.length,
          dropped.length,
        ]);
        expect(answer.witness).toHaveLength(Math.min(10, dropped.length));
      }),
    );
  });

  it('attributes losses to the fault that caused them', () => {
    const fault = (name: string, event: FaultRecord['event'], atUs: number, detail = '') =>
      ({ kind: 'fault', name, event, atUs, detail }) as const;
    const windows = faultWindows([
      fault('gateway-kill#1', 'apply', 2_000_000, 'after 20 ms'),
      fault('gateway-kill#1', 'landed', 2_001_000, 'SIGKILL to gateway.2, process 9'),
      fault('redis-kill#1', 'apply', 2_100_000),
      fault('redis-kill#1', 'landed', 2_101_000, 'SIGKILL to redis, process 8'),
      fault('gateway-kill#1', 'healed', 2_500_000),
      fault('redis-kill#1', 'healed', 2_600_000),
      fault('gateway-kill#2', 'apply', 30_000_000),
    ]);
    expect(windows.map(({ family, endUs }) => [family, endUs])).toEqual([
      ['gateway-kill', 2_500_000],
      ['redis-kill', 2_600_000],
      ['gateway-kill', Number.POSITIVE_INFINITY],
    ]);
    const lost = [
      operation(1, { doneUs: 1_900_000, target: 'gateway.2' }),
      operation(2, { doneUs: 2_550_000, target: 'gateway.1' }),
      operation(3, { doneUs: 10_000_000, target: 'gateway.2' }),
      operation(4, { doneUs: 29_500_000 }),
    ];
    const answer = checkAudit({ operations: lost, rows: [], windows });
    expect(answer.witness.map((one) => one.cause)).toEqual([
      'gateway-kill',
      'redis-kill',
      'no fault',
      'gateway-kill',
    ]);
    expect(figure(answer, 'lost-gateway-kill')).toBe(2);
    expect(figure(answer, 'lost-no-fault')).toBe(1);
  });
});

describe('a change and its record', () => {
  const changes = ['a', 'b'].map((id) => factOf(operation(1), { name: 'project', id }));
  const records = ['a', 'b'].map((subject) => ({ ...rowOf(operation(1)), subject }));

  it('pass together', () => {
    expect(checkAuditAtomic({ changes, records })).toMatchObject({ verdict: 'pass', checked: 2 });
    expect(checkAuditAtomic({ changes: [], records: [] }).verdict).toBe('unknown');
  });

  it.each([
    ['changed without a record', changes, records.slice(1)],
    ['recorded without a change', changes.slice(1), records],
    ['recorded more than once', changes, [...records, records[0]!]],
    ['recorded as another user', changes, changed(records, 0, (row) => ({ ...row, user: 'x' }))],
  ])('%s', (violation, givenChanges, givenRecords) => {
    const answer = checkAuditAtomic({ changes: givenChanges, records: givenRecords });
    expect([first(answer), answer.violations]).toEqual([violation, 1]);
  });
});

describe('the order', () => {
  it('passes in real-time order, whatever the offset of the clocks', () => {
    const answer = checkAuditOrder({ operations, rows });
    expect(answer).toMatchObject({ verdict: 'pass', checked: 60, violations: 0 });
    expect(checkAuditOrder({ operations: operations.slice(0, 1), rows }).verdict).toBe('unknown');
    expect(checkAuditOrder({ operations, rows: [] }).verdict).toBe('unknown');
  });

  it('fails with two places swapped across a response', () => {
    const swapped = operations.map((one, at) =>
      rowOf(one, { place: at === 20 ? 31 : at === 30 ? 21 : at + 1 }),
    );
    const answer = checkAuditOrder({ operations, rows: swapped });
    expect(answer.violations).toBeGreaterThan(0);
    expect(first(answer)).toBe('before an operation that was answered before it was sent');
    expect(row(answer).requestId).toBe('r21');
  });
  const row = (answer: { witness: readonly object[] }) =>
    (answer.witness[0] as { row: FactRecord }).row;

  it('fails with a row recorded after its response, except during an outage', () => {
    const lateUs = OFFSET_US + operations[20]!.doneUs + 5_000;
    const given = changed(rows, 20, (one) => ({
      ...one,
      facts: { ...one.facts, receivedAtUs: lateUs, place: 100 },
    }));
    const late = checkAuditOrder({ operations, rows: given });
    expect([first(late), late.violations]).toEqual(['recorded only after its response', 1]);
    const window = { name: 'p', family: 'p', startUs: 0, endUs: 15_000, detail: '' };
    const input = { operations, rows: given, recoveryGraceUs: 10_000 };
    const exempt = checkAuditOrder({ ...input, outages: [window] });
    expect(exempt).toMatchObject({ verdict: 'pass', checked: 59 });
    const shorter = checkAuditOrder({ ...input, outages: [{ ...window, endUs: 9_000 }] });
    expect(shorter.verdict).toBe('fail');
  });

  it('proves nothing where operations took a second and no fault shows why, unless an overload was intended', () => {
    const given = changed(rows, 20, (one) => ({
      ...one,
      facts: { ...one.facts, receivedAtUs: OFFSET_US + operations[20]!.doneUs + 5_000, place: 100 },
    }));
    const slow = operation(90, {
      sentUs: 100,
      doneUs: 2_000_000,
      outcome: 'unknown',
      status: 0,
      phase: 'step-3',
    });
    const input = { operations: [...operations, slow], rows: given };
    const unexplained = checkAuditOrder(input);
    expect(unexplained).toMatchObject({ verdict: 'unknown', checked: 59, violations: 0 });
    expect(unexplained.reason).toContain('1 recorded after their answers');
    expect(figure(unexplained, 'order-unexplained')).toBe(1);
    const intended = checkAuditOrder({ ...input, overloads: (phase) => phase === 'step-3' });
    expect([intended.verdict, figure(intended, 'order-overload')]).toEqual(['pass', 1]);
    const elsewhere = checkAuditOrder({ ...input, overloads: (phase) => phase === 'measure' });
    expect(elsewhere.verdict).toBe('unknown');
    // A slow operation long before or after explains nothing.
    const early = { ...slow, doneUs: 1_100_000 };
    const later = operations.map((one) => ({
      ...one,
      sentUs: one.sentUs + 4_000_000,
      doneUs: one.doneUs + 4_000_000,
    }));
    const shifted = changed(
      later.map((one) => rowOf(one)),
      20,
      (one) => ({
        ...one,
        facts: { ...one.facts, receivedAtUs: OFFSET_US + later[20]!.doneUs + 5_000, place: 100 },
      }),
    );
    const apart = checkAuditOrder({ operations: [...later, early], rows: shifted });
    expect([apart.verdict, first(apart)]).toEqual(['fail', 'recorded only after its response']);
  });

  it('fails with a date outside the request', () => {
    const given = changed(rows, 20, (one) => ({ ...one, occurredAtUs: one.occurredAtUs - 1e10 }));
    const answer = checkAuditOrder({ operations, rows: given });
    expect([first(answer), answer.violations]).toEqual(['dated outside its request', 1]);
  });
});

describe('the chain', () => {
  const facts = (change: Record<string, number>) => [
    { ...verified, facts: { ...verified.facts, ...change } },
  ];

  it('passes', () => {
    const answer = checkAuditChain({ rows, verifications: [verified] });
    expect(answer).toMatchObject({ verdict: 'pass', checked: 60, violations: 0 });
    expect(checkAuditChain({ rows, verifications: [] }).verdict).toBe('unknown');
    expect(checkAuditChain({ rows: [], verifications: [verified] }).verdict).toBe('unknown');
  });

  it.each<[string, readonly FactRecord[], readonly FactRecord[]]>([
    ['the verifier found something', rows, facts({ findings: 1 })],
    ['records in no block', rows, facts({ notSequenced: 1 })],
    ['no checkpoint was ever written', rows, facts({ checkpoints: 0 })],
    ['the verifier saw fewer records than the log has', rows, facts({ records: 59 })],
    [
      'rows in no block',
      changed(rows, 3, (row) => ({ ...row, facts: {} })).slice(0, 4),
      [verified],
    ],
    ['a gap in the chain', rows.toSpliced(20, 1), [verified]],
    [
      'two rows at one place of the chain',
      [...rows, rowOf(operations[59]!, { place: 61 })],
      facts({ records: 61 }),
    ],
    [
      'the chain is not in the order of the log',
      changed(rows, 58, () => rowOf(operations[58]!, { place: 2 })),
      [verified],
    ],
  ])('%s', (violation, given, verifications) => {
    const answer = checkAuditChain({ rows: given, verifications });
    expect([first(answer), answer.verdict]).toEqual([violation, 'fail']);
  });
});
