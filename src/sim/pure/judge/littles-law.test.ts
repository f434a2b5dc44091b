import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../history.ts';
import { operation } from '../fixtures/records.ts';
import { inFlightTotals, littlesLaw } from './littles-law.ts';

const history = fc
  .array(fc.record({ at: fc.nat(10_000), lag: fc.nat(50), service: fc.nat(500) }), {
    minLength: 1,
    maxLength: 50,
  })
  .map((plans) =>
    plans.map(({ at, lag, service }, id) =>
      operation(id, { scheduledUs: at, sentUs: at + lag, doneUs: at + lag + service }),
    ),
  );

/** What the generator's ledger stands for: n(t) walked over arrivals and departures, each in its own order. */
function integralByWalking(operations: readonly OperationRecord[]): number {
  const ascending = (a: number, b: number) => a - b;
  const arrivals = operations.map(({ scheduledUs }) => scheduledUs).sort(ascending);
  const departures = operations.map(({ doneUs }) => doneUs).sort(ascending);
  let [integral, inFlight, lastUs, next] = [0, 0, 0, 0];
  for (const doneUs of departures) {
    for (; next < arrivals.length && arrivals[next]! <= doneUs; next += 1) {
      integral += inFlight * (arrivals[next]! - lastUs);
      lastUs = arrivals[next]!;
      inFlight += 1;
    }
    integral += inFlight * (doneUs - lastUs);
    lastUs = doneUs;
    inFlight -= 1;
  }
  return integral;
}

describe("Little's law", () => {
  it('is exact: the integral of the number in flight is the sum of the response times', () => {
    fc.assert(
      fc.property(history, (operations) => {
        expect(inFlightTotals(operations).inFlightIntegralUs).toBe(integralByWalking(operations));
      }),
    );
  });

  it('holds for a whole history in any order', () => {
    fc.assert(
      fc.property(history, (operations) => {
        expect(littlesLaw(operations.toReversed(), inFlightTotals(operations)).ok).toBe(true);
      }),
    );
  });

  it('breaks when any record is lost, doubled or stamped otherwise', () => {
    const edits: ((record: OperationRecord) => OperationRecord[])[] = [
      () => [],
      (record) => [record, record],
      (record) => [{ ...record, doneUs: record.doneUs + 1 }],
      (record) => [{ ...record, scheduledUs: record.scheduledUs + 1 }],
      (record) => [{ ...record, scheduledUs: record.scheduledUs + 1, doneUs: record.doneUs + 1 }],
    ];
    fc.assert(
      fc.property(history, fc.nat(), fc.constantFrom(...edits), (operations, at, edit) => {
        const index = at % operations.length;
        const edited = operations.flatMap((one, position) =>
          position === index ? edit(one) : one,
        );
        expect(littlesLaw(edited, inFlightTotals(operations)).ok).toBe(false);
      }),
    );
  });

  it('names the sums that differ', () => {
    const kept = inFlightTotals([operation(1), operation(2)]);
    expect(littlesLaw([operation(1)], kept).measured).toBe(
      'records off by -1, arrivals off by -2000 us, in flight off by -500 us',
    );
  });

  it('fails without records', () => {
    expect(littlesLaw([], inFlightTotals([])).ok).toBe(false);
  });
});
