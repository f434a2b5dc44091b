/**
 * Little's law as an exact identity, to prove that the history records what the generator did. Over an interval that
 * begins and ends with nothing in flight, the integral of the number in flight is the sum of the response times:
 *
 *   n(t)    __
 *        __|  |____        integral of n dt  =  sum of departures - sum of arrivals
 *     __|          |__                       =  sum of (done - scheduled)
 *
 * The generator accumulates the left side in integers as operations start and end, independently of the records; the
 * history gives the right side. A lost, doubled, mis-stamped or edited record breaks one of three sums: the count, the
 * arrivals (a latency counted from the send has a later arrival), or the integral.
 */
import type { OperationRecord } from '../../history.ts';
import type { ValidityCheck } from '../../result.ts';
import type { InFlightTotals } from './measurements.ts';

/** The generator's sums, from the records. */
export function inFlightTotals(attempts: Iterable<OperationRecord>): InFlightTotals {
  let recorded = 0;
  let scheduledSumUs = 0;
  let inFlightIntegralUs = 0;
  for (const { scheduledUs, doneUs } of attempts) {
    recorded += 1;
    scheduledSumUs += scheduledUs;
    inFlightIntegralUs += doneUs - scheduledUs;
  }
  return { recorded, scheduledSumUs, inFlightIntegralUs };
}

export function littlesLaw(
  attempts: Iterable<OperationRecord>,
  counted: InFlightTotals,
): ValidityCheck {
  const seen = inFlightTotals(attempts);
  const differences = [
    difference('records', seen.recorded - counted.recorded, ''),
    difference('arrivals', seen.scheduledSumUs - counted.scheduledSumUs, ' us'),
    difference('in flight', seen.inFlightIntegralUs - counted.inFlightIntegralUs, ' us'),
  ].filter((text) => text !== null);
  return {
    id: 'little',
    statement: 'the history adds up to what the generator counted in flight',
    measured: differences.length === 0 ? `${seen.recorded} records, exact` : differences.join(', '),
    limit: 'exact',
    ok: differences.length === 0 && seen.recorded > 0,
    severity: 'unknown',
  };
}

function difference(what: string, by: number, unit: string): string | null {
  return by === 0 ? null : `${what} off by ${by}${unit}`;
}
