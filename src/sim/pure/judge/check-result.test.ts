import { expect, it } from 'vitest';
import { concludeCheck } from './check-result.ts';

const found = { checked: 3, violations: 0, witness: [] };

it('fails with a violation, whatever was not seen', () => {
  expect(concludeCheck({ ...found, violations: 1, gap: 'no logout' }).verdict).toBe('fail');
});

it('is unknown where nothing was violated and something was not seen, and says what', () => {
  expect(concludeCheck({ ...found, gap: 'no logout' })).toEqual({
    ...found,
    verdict: 'unknown',
    reason: 'no logout',
  });
});

it('passes otherwise, without a reason', () => {
  expect(concludeCheck({ ...found, gap: null })).toEqual({ ...found, verdict: 'pass' });
});
