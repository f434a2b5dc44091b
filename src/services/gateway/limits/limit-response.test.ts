import { describe, expect, it } from 'vitest';
import type { Decision, LevelState } from '../../rate-limit/contract.ts';
import { evidenceOf, refusalOf } from './limit-response.ts';

const level = (policy: string, more: Partial<LevelState> = {}): LevelState => ({
  policy,
  admitted: true,
  shadow: false,
  limit: 10,
  windowMs: 60_000,
  remaining: 3,
  resetUs: 1_000,
  ...more,
});
const decision = (more: Partial<Decision>): Decision => ({
  admitted: false,
  atUs: 1_700_000_000_000_000,
  mode: 'store',
  levels: [],
  ...more,
});
const mixed = [
  level('organisation'),
  level('user', { admitted: false }),
  level('search', { admitted: false, shadow: true }),
  level('address', { admitted: false }),
];

describe('the problem of a limited request', () => {
  it('is null when it was admitted, although a level in shadow mode refused', () => {
    const levels = [level('search', { admitted: false, shadow: true })];
    expect(refusalOf(decision({ admitted: true, levels }))).toBe(null);
  });

  it('names every policy that refused, and none in shadow mode', () => {
    const refusal = refusalOf(decision({ levels: mixed }))!;
    expect([refusal.status, refusal.members]).toEqual([
      429,
      { 'violated-policies': ['user', 'address'] },
    ]);
    expect(refusal.registered!.type).toMatch(/#quota-exceeded$/);
    expect(refusal.message).toContain('user and address');
  });

  it('is a 503, not a 429, while limits cannot be enforced', () => {
    const refusal = refusalOf(decision({ mode: 'closed' }))!;
    expect([refusal.status, refusal.headers]).toEqual([503, { 'retry-after': '1' }]);
    expect(refusal.registered!.type).toMatch(/#temporary-reduced-capacity$/);
    expect(refusal.members).toEqual({});
  });
});

describe('the evidence', () => {
  it('has the time, the duration, the outcome, the mode and the policies that refused', () => {
    expect(evidenceOf(decision({ levels: mixed }), 812.6)).toBe(
      'at=1700000000000000;took=813;admitted=0;mode=store;by=user,address',
    );
    expect(evidenceOf(decision({ admitted: true, mode: 'share' }), 0)).toBe(
      'at=1700000000000000;took=0;admitted=1;mode=share;by=',
    );
  });
});
