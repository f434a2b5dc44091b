import { describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../sim/history.ts';
import { operation } from '../../sim/pure/fixtures/records.ts';
import { checkLogins, type LoginAttempt } from './check-logins.ts';

let ids = 0;
const attempt = (
  expected: LoginAttempt['expected'],
  fields: Partial<OperationRecord> = {},
): LoginAttempt => {
  ids += 1;
  return { expected, operation: operation(ids, { name: 'login', ...fields }) };
};
const wrong = { outcome: 'fail', status: 401, error: 'http 401' } as const;
const limited = { outcome: 'fail', status: 429, headers: { 'retry-after': '9' } } as const;
const busy = { outcome: 'unknown', status: 503, headers: { 'retry-after': '2' } } as const;
const unanswered = { outcome: 'unknown', status: 0, error: 'timeout' } as const;

const good = [attempt('accepted'), attempt('refused', wrong)];
const judge = (attempts: readonly LoginAttempt[]) =>
  checkLogins({ attempts, mustHaveSeen: { accepted: 1, refused: 1 } });
const figure = (attempts: readonly LoginAttempt[], id: string) =>
  judge(attempts).figures!.find((one) => one.id === id)!.value;

describe('checkLogins', () => {
  it('passes when correct passwords open sessions and wrong ones do not', () => {
    expect(judge(good)).toMatchObject({ verdict: 'pass', checked: 2, violations: 0 });
  });

  it.each([
    ['a correct password is refused', attempt('accepted', wrong)],
    ['a correct password is refused as forbidden', attempt('accepted', { ...wrong, status: 403 })],
    ['a wrong password opens a session', attempt('refused')],
  ])('fails when %s', (_, bad) => {
    const answer = judge([...good, bad]);
    expect(answer).toMatchObject({ verdict: 'fail', violations: 1 });
    expect(answer.witness).toMatchObject([{ requestId: bad.operation.requestId }]);
  });

  it('allows either answer while the account is being changed', () => {
    expect(judge([...good, attempt('either'), attempt('either', wrong)]).verdict).toBe('pass');
  });

  it('counts what was refused for another reason, and what was not answered', () => {
    const attempts = [
      ...good,
      attempt('accepted', limited),
      attempt('accepted', busy),
      attempt('accepted', unanswered),
      // Without a reason.
      attempt('accepted', { ...busy, headers: {} }),
      attempt('accepted', { sentUs: -1, outcome: 'fail', status: 0 }),
    ];
    expect(judge(attempts).verdict).toBe('pass');
    expect(figure(attempts, 'logins-busy')).toBe(2);
    expect(figure(attempts, 'logins-unanswered')).toBe(2);
    expect(figure(attempts, 'logins-accepted')).toBe(1);
  });

  it('is unknown when no correct password was accepted, or no wrong one refused', () => {
    expect(judge(good.slice(1))).toMatchObject({ verdict: 'unknown' });
    expect(judge(good.slice(0, 1))).toMatchObject({ verdict: 'unknown' });
    expect(judge([attempt('accepted', busy), good[1]!]).reason).toBe(
      '0 correct passwords were accepted, 1 needed',
    );
  });
});
