import { describe, expect, it } from 'vitest';
import { checkRetryAfter, type LimitedAnswer } from './check-retry-after.ts';

const S = 1_000_000;
let next = 0;
function answer(kind: LimitedAnswer['kind'], sentUs: number, fields: Partial<LimitedAnswer> = {}) {
  next += 1;
  return {
    requestId: `r${next}`,
    subject: 'u1',
    sentUs,
    doneUs: sentUs + 1_000,
    weight: 1,
    kind,
    retryAfter: kind === 'refused' ? '2' : null,
    limits: [],
    ...fields,
  } satisfies LimitedAnswer;
}
const check = (answers: LimitedAnswer[], obeyed = 1) =>
  checkRetryAfter({ answers, mustHaveSeen: { obeyed } });
const refused = answer('refused', 0);

describe('checkRetryAfter', () => {
  it('passes a client that waited and was admitted', () => {
    expect(check([refused, answer('admitted', 2.1 * S)])).toMatchObject({
      verdict: 'pass',
      violations: 0,
      checked: 2,
    });
  });

  it('is unknown when no client waited for Retry-After', () => {
    expect(check([refused, answer('refused', S)]).verdict).toBe('unknown');
  });

  it('catches a refusal after the wait', () => {
    const late = check([refused, answer('refused', 2.1 * S)]);
    expect(late.verdict).toBe('fail');
    expect(late.witness[0]?.violation).toMatch(/waited as told/);
  });

  it('applies also when the client was refused once more meanwhile', () => {
    const shorter = answer('refused', S, { retryAfter: '1' });
    expect(check([refused, shorter, answer('refused', 2.1 * S)]).violations).toBe(1);
  });

  it.each([
    ['another request was admitted', answer('admitted', S)],
    ['another request may have been admitted', answer('possible', S)],
    ['another was in flight at the refusal', answer('admitted', -500)],
    ['another is in flight beside the retry', answer('admitted', 2.1 * S + 500)],
    ['the answer of one in flight was lost', answer('possible', -S, { doneUs: 1e12 })],
  ])('finds no violation when %s', (_, other) => {
    expect(check([refused, other, answer('refused', 2.1 * S)], 0).violations).toBe(0);
  });

  it('ignores admissions of other subjects', () => {
    const other = answer('admitted', S, { subject: 'u2' });
    expect(check([refused, other, answer('refused', 2.1 * S)]).violations).toBe(1);
  });

  it('ignores a retry of more units than the refused request', () => {
    expect(check([refused, answer('refused', 2.1 * S, { weight: 10 })], 0).violations).toBe(0);
  });

  const field = { policy: 'user', limit: 100, remaining: 0, resetSeconds: 2, refused: true };
  it.each<[string, RegExp, Partial<LimitedAnswer>]>([
    ['no Retry-After', /without/, { retryAfter: null }],
    ['a fraction', /whole seconds/, { retryAfter: '1.5' }],
    ['a negative remaining', /negative/, { limits: [{ ...field, remaining: -1 }] }],
    ['more left than there is', /more than/, { limits: [{ ...field, remaining: 101 }] }],
    ['a reset after the retry', /later/, { limits: [{ ...field, resetSeconds: 3 }] }],
  ])('catches %s', (_, violation, fields) => {
    const { violations, witness } = check([answer('refused', 0, fields)]);
    expect(violations).toBe(1);
    expect(witness[0]?.violation).toMatch(violation);
  });

  it('ignores the reset of limits that did not refuse', () => {
    const limits = [field, { ...field, policy: 'org', resetSeconds: 60, refused: false }];
    expect(check([answer('refused', 0, { limits })]).violations).toBe(0);
  });

  it('catches a herd with one Retry-After', () => {
    const herd = (seconds: (index: number) => number) =>
      checkRetryAfter({
        answers: Array.from({ length: 50 }, (_, index) =>
          answer('refused', index, { subject: `u${index}`, retryAfter: `${seconds(index)}` }),
        ),
        herd: { size: 50, ticks: 3 },
        mustHaveSeen: { obeyed: 0 },
      });
    expect(herd(() => 7).verdict).toBe('fail');
    expect(herd((index) => 7 + (index % 3)).verdict).toBe('pass');
  });
});
