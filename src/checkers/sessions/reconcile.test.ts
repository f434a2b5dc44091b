import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../sim/history.ts';
import { factOf, operation } from '../../sim/pure/fixtures/records.ts';
import { checkSessions } from './check-sessions.ts';
import { reconcile } from './reconcile.ts';
import type { SessionEvent } from './session-event.ts';

const recordedAs = { logout: 'revoked' };
const unknown = { name: 'logout', outcome: 'unknown', status: 0, error: 'timeout' } as const;
const revoked = { name: 'revoked' };

describe('reconcile', () => {
  it('settles an unknown outcome by its fact, and counts each way', () => {
    const operations = [
      operation(1, unknown),
      operation(2, unknown),
      operation(3, { ...unknown, name: 'read' }),
      operation(4),
    ];
    const facts = [factOf(operations[0]!, revoked)];
    const settled = reconcile({ operations, facts, recordedAs, isRecordFinal: true });
    expect(settled).toMatchObject({ toOk: 1, toFail: 1, unknown: 1 });
    expect(settled.operations.map(({ outcome }) => outcome)).toEqual([
      'ok',
      'fail',
      'unknown',
      'ok',
    ]);
    expect(settled.operations.map(({ reconciled }) => reconciled)).toEqual([
      true,
      true,
      undefined,
      undefined,
    ]);
  });

  it('concludes nothing from absence while the record is not final', () => {
    const operations = [operation(1, unknown)];
    const open = reconcile({ operations, facts: [], recordedAs, isRecordFinal: false });
    expect(open).toMatchObject({ toOk: 0, toFail: 0, unknown: 1 });
  });

  it('ignores facts of another kind', () => {
    const operations = [operation(1, unknown)];
    const facts = [factOf(operations[0]!, { name: 'refused' })];
    expect(reconcile({ operations, facts, recordedAs, isRecordFinal: true }).toFail).toBe(1);
  });

  it('never changes a known outcome, and agrees with what really happened', () => {
    const plan = fc.record({
      happened: fc.boolean(),
      answer: fc.constantFrom<Outcome>('ok', 'fail', 'unknown'),
    });
    fc.assert(
      fc.property(fc.array(plan), (plans) => {
        const operations = plans.map(({ happened, answer }, id) => {
          // An answer is true; only its absence hides what happened.
          const outcome = answer === 'unknown' ? answer : happened ? 'ok' : 'fail';
          return operation(id, { name: 'logout', outcome });
        });
        const facts = operations
          .filter((_, id) => plans[id]!.happened)
          .map((one) => factOf(one, revoked));
        const settled = reconcile({ operations, facts, recordedAs, isRecordFinal: true });
        settled.operations.forEach(({ outcome }, id) => {
          expect(outcome).toBe(plans[id]!.happened ? 'ok' : 'fail');
        });
        expect(settled.toOk + settled.toFail).toBe(
          operations.filter(({ outcome }) => outcome === 'unknown').length,
        );
      }),
    );
  });

  it('guarantees nothing for a reconciled logout: an accepted use after it is no violation yet', () => {
    const logout = operation(1, { ...unknown, sentUs: 100, doneUs: 200 });
    const facts = [factOf(logout, revoked)];
    const { operations } = reconcile({
      operations: [logout],
      facts,
      recordedAs,
      isRecordFinal: true,
    });
    const at = (sentUs: number) => ({ sentUs, doneUs: sentUs + 10 });
    const use = (kind: SessionEvent['kind'], sentUs: number): SessionEvent => ({
      kind,
      subject: 's1',
      operation: operation(2, {
        ...at(sentUs),
        ...(kind === 'refused' ? { outcome: 'fail', status: 401 } : {}),
      }),
    });
    const check = (...uses: SessionEvent[]) =>
      checkSessions({
        events: [{ kind: 'revoke', subject: 's1', operation: operations[0]! }, ...uses],
        mustHaveSeen: { targets: [], afterRevoke: 0, live: 0 },
      });
    expect(check(use('accepted', 300))).toMatchObject({ acceptedLate: 0, lost: 0 });
    expect(check(use('refused', 300), use('accepted', 400)).resurrected).toBe(1);
  });

  it('reports a refusal after a logout that never happened as a lost session', () => {
    const logout = operation(1, { ...unknown, sentUs: 100, doneUs: 200 });
    const { operations } = reconcile({
      operations: [logout],
      facts: [],
      recordedAs,
      isRecordFinal: true,
    });
    const refused = operation(2, { sentUs: 300, doneUs: 310, outcome: 'fail', status: 401 });
    const { lost } = checkSessions({
      events: [
        { kind: 'revoke', subject: 's1', operation: operations[0]! },
        { kind: 'refused', subject: 's1', operation: refused },
      ],
      mustHaveSeen: { targets: [], afterRevoke: 0, live: 0 },
    });
    expect(lost).toBe(1);
  });
});
