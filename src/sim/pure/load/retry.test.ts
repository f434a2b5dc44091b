import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxOperationMs, retryDelayUs } from './retry.ts';
import type { RetryPolicy } from './workload.ts';

const policy = { attempts: 4, baseMs: 100, capMs: 250, statuses: [429], onNextInstance: true };
const waitAfter = (
  record: { outcome: 'ok' | 'fail' | 'unknown'; status: number; sentUs: number },
  attempt = 1,
  operation = 0,
  given: RetryPolicy = policy,
) => retryDelayUs(given, { seed: 1, operation, attempt, record, wallMs: 0 });
const timeout = { outcome: 'unknown', status: 0, sentUs: 5 } as const;

describe('a retry', () => {
  it.each([
    ['an ok answer', { outcome: 'ok', status: 200, sentUs: 5 }, false],
    ['a final refusal', { outcome: 'fail', status: 401, sentUs: 5 }, false],
    ['a listed refusal', { outcome: 'fail', status: 429, sentUs: 5 }, true],
    ['a 503', { outcome: 'unknown', status: 503, sentUs: 5 }, true],
    ['a timeout', timeout, true],
    ['a refused connection', { outcome: 'fail', status: 0, sentUs: -1 }, true],
  ] as const)('after %s: %j is %s', (_, record, expected) => {
    expect(waitAfter(record) !== null).toBe(expected);
  });

  it('is not made beyond the total attempts', () => {
    expect(waitAfter(timeout, 3)).not.toBeNull();
    expect(waitAfter(timeout, 4)).toBeNull();
    expect(waitAfter(timeout, 1, 0, { ...policy, attempts: 1 })).toBeNull();
  });

  it('waits uniformly up to the doubled and capped base', () => {
    for (const [attempt, mostMs] of [
      [1, 100],
      [2, 200],
      [3, 250],
    ] as const) {
      const waits = Array.from({ length: 2_000 }, (_, one) => waitAfter(timeout, attempt, one)!);
      expect(Math.max(...waits)).toBeLessThan(mostMs * 1000);
      expect(Math.max(...waits)).toBeGreaterThan(mostMs * 990);
      expect(Math.min(...waits)).toBeLessThan(mostMs * 10);
      // Mean of 2,000 uniform draws: standard deviation 0.29 / sqrt(2,000) = 0.65 % of the range.
      const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
      expect(Math.abs(mean / (mostMs * 1000) - 0.5)).toBeLessThan(0.033);
    }
  });

  it('waits whole microseconds, the same for the same operation and attempt', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 3 }), (operation, attempt) => {
        const wait = waitAfter(timeout, attempt, operation);
        expect(Number.isSafeInteger(wait)).toBe(true);
        expect(waitAfter(timeout, attempt, operation)).toBe(wait);
      }),
    );
  });

  describe('that obeys Retry-After', () => {
    const obeys = { ...policy, capMs: 5_000, obeyRetryAfter: true };
    const told = (text: string, given: RetryPolicy = obeys, status = 429) =>
      retryDelayUs(given, {
        seed: 1,
        operation: 0,
        attempt: 1,
        wallMs: Date.UTC(2026, 10, 21, 9, 0, 0, 250),
        record: { outcome: 'fail', status, sentUs: 5, headers: { 'retry-after': text } },
      });

    it.each([
      ['seconds', '3', 3_000_000],
      ['no time at all', '0', 0],
      ['a date', 'Sat, 21 Nov 2026 09:00:02 GMT', 1_750_000],
      ['a date that is over', 'Sat, 21 Nov 2026 08:00:00 GMT', 0],
    ])('waits exactly as told: %s', (_, text, expected) => {
      expect(told(text)).toBe(expected);
    });

    it('gives up when Retry-After is longer than the cap', () => {
      expect(told('5')).toBe(5_000_000);
      expect(told('6')).toBeNull();
      expect(told('600', { ...obeys, capMs: 0 })).toBe(600_000_000);
    });

    it.each(['', 'soon', '-1', '1.5', 'Sat, 99 Nov 2026 09:00:02 GMT', '9999999999'])(
      'follows its own rule when %j says nothing',
      (text) => {
        const own = waitAfter({ outcome: 'fail', status: 429, sentUs: 5 }, 1, 0, obeys);
        expect(told(text)).toBe(own);
      },
    );

    it('does not retry a final answer, and ignores the header unless it obeys', () => {
      expect(told('1', obeys, 401)).toBeNull();
      expect(told('3', policy)).toBeLessThan(100_000);
    });
  });

  it('adds every attempt and pause to the longest an operation can take', () => {
    expect(maxOperationMs(undefined, 1_000)).toBe(1_000);
    expect(maxOperationMs(policy, 1_000)).toBe(4_000 + 3 * 250);
  });
});
