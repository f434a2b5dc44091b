import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OperationRecord, Outcome } from '../../history.ts';
import { operation } from '../fixtures/records.ts';
import { amplification, brokenRetrySequences, logicalOperations } from './logical-operations.ts';

const outcomes: readonly Outcome[] = ['ok', 'fail', 'unknown'];
/** A chain of attempts one second apart; operation ids count up from `id`. */
function chain(id: number, given: readonly Outcome[]): OperationRecord[] {
  return given.map((outcome, index) =>
    operation(id + index, {
      scheduledUs: (id + index) * 1_000_000,
      sentUs: (id + index) * 1_000_000 + 5,
      doneUs: (id + index) * 1_000_000 + 500,
      outcome,
      status: outcome === 'ok' ? 200 : outcome === 'fail' ? 429 : 503,
      target: `gateway.${index + 1}`,
      ...(index === 0 ? {} : { attempt: index + 1, retryOf: id }),
    }),
  );
}

describe('logicalOperations', () => {
  it('leaves an operation without retries as it is', () => {
    expect(logicalOperations([operation(7)])).toEqual([{ ...operation(7), attempts: 1 }]);
  });

  it('counts the wait from the first schedule to the last answer', () => {
    const [logical] = logicalOperations(chain(1, ['unknown', 'fail', 'ok']));
    expect(logical).toMatchObject({
      id: 1,
      scheduledUs: 1_000_000,
      sentUs: 1_000_005,
      doneUs: 3_000_500,
      attempts: 3,
      outcome: 'ok',
      status: 200,
      target: 'gateway.3',
      requestId: 'r3',
    });
    expect(logical).not.toHaveProperty('retryOf');
    expect(logical).not.toHaveProperty('attempt');
  });

  it('keeps the headers of the last answer, and of no earlier one', () => {
    const records = chain(1, ['fail', 'ok']);
    const [refused, answered] = records.map((one) => ({ ...one, headers: { of: one.requestId } }));
    expect(logicalOperations([refused!, answered!])[0]!.headers).toEqual({ of: 'r2' });
    expect(logicalOperations([refused!, records[1]!])[0]).not.toHaveProperty('headers');
  });

  const cases: [readonly Outcome[], Outcome][] = [
    [['fail', 'fail'], 'fail'],
    [['fail', 'ok'], 'ok'],
    [['unknown', 'ok'], 'ok'],
    [['unknown', 'fail'], 'unknown'],
    [['fail', 'unknown'], 'unknown'],
  ];
  it.each(cases)('takes %j as %s', (attempts, outcome) => {
    expect(logicalOperations(chain(1, attempts))[0]?.outcome).toBe(outcome);
  });

  it('shows a first attempt that never left and a retry that did as sent by the retry', () => {
    const [first, retry] = chain(1, ['fail', 'ok']);
    const [logical] = logicalOperations([{ ...first!, sentUs: -1 }, retry!]);
    expect(logical?.sentUs).toBe(retry?.sentUs);
  });

  it('loses no attempt and no operation, in whatever order the records were written', () => {
    const history = fc
      .array(fc.array(fc.constantFrom(...outcomes), { minLength: 1, maxLength: 4 }), {
        maxLength: 20,
      })
      .map((chains) => chains.map((given, index) => chain(index * 10, given)))
      .chain((chains) => {
        const records = chains.flat();
        const order = fc.shuffledSubarray(records, { minLength: records.length });
        return order.map((written) => ({ written, chains }));
      });
    fc.assert(
      fc.property(history, ({ written, chains }) => {
        const logical = logicalOperations(written);
        expect(logical.map(({ id }) => id).sort((a, b) => a - b)).toEqual(
          chains.map((records) => records[0]!.id),
        );
        expect(logical.reduce((sum, { attempts }) => sum + attempts, 0)).toBe(written.length);
        expect(brokenRetrySequences(written)).toBe(0);
      }),
    );
  });
});

describe('brokenRetrySequences', () => {
  const whole = chain(1, ['unknown', 'unknown', 'ok']);
  it.each([
    ['without its first attempt', whole.slice(1)],
    ['with a gap', [whole[0]!, whole[2]!]],
    ['with an attempt written twice', [...whole, whole[1]!]],
  ])('finds a chain %s', (_, records) => {
    expect(brokenRetrySequences(records)).toBe(1);
  });

  it('keeps a retry that lost its first attempt in sight', () => {
    expect(logicalOperations(whole.slice(1))).toHaveLength(2);
  });
});

describe('amplification', () => {
  it('is requests for each operation', () => {
    const records = [...chain(1, ['unknown', 'unknown', 'ok']), ...chain(10, ['ok'])];
    expect(amplification(logicalOperations(records))).toBe(2);
    expect(amplification([])).toBeNull();
  });
});
