import { describe, expect, it } from 'vitest';
import type { FactRecord, HistoryRecord, OperationRecord } from '../../sim/history.ts';
import { operation } from '../../sim/pure/fixtures/records.ts';
import { lifeCycleOnce, logoutFinal, sessionsSurvive } from './session-invariants.ts';

const targets = ['gateway.1', 'gateway.2'];
const final = logoutFinal({ targets });
const survive = sessionsSurvive({ targets });
const refused = { outcome: 'fail', status: 401, error: 'http 401' } as const;

let ids = 0;
const on = (subject: string, fields: Partial<OperationRecord>): OperationRecord => {
  ids += 1;
  return operation(ids, { name: 'check', subject, target: targets[ids % 2]!, ...fields });
};
const at = (sentUs: number, lengthUs = 10) => ({
  scheduledUs: sentUs,
  sentUs,
  doneUs: sentUs + lengthUs,
});

/** Enough probes of both kinds on each process: `left` logged out at 1,000 us, `stays` did not. */
const enough: readonly OperationRecord[] = Array.from({ length: 120 }, (_, i) => [
  on('stays', { ...at(500 + i), target: targets[i % 2]! }),
  on('left', { ...at(2_000 + i), ...refused, name: 'probe', target: targets[i % 2]! }),
]).flat();
const logout = on('left', { ...at(1_000), name: 'logout', requestId: 'out' });
const good = [...enough, logout];
const ended: FactRecord = {
  kind: 'effect',
  name: 'session-revoked',
  requestId: 'out',
  user: 'u1',
  id: '1',
  occurredAtUs: 0,
  subject: 'left',
};
const figure = (history: readonly HistoryRecord[], id: string) =>
  final.check(history).figures?.find((one) => one.id === id)?.value;

describe('logout-final', () => {
  it('holds when nothing that starts after the answer is accepted', () => {
    expect(final.check(good)).toMatchObject({ verdict: 'pass', checked: 120, violations: 0 });
    // Sent before the answer: either is right.
    expect(final.check([...good, on('left', at(1_005))]).verdict).toBe('pass');
    // A use by the login screen or a health check is about no session.
    const { subject: _, ...anonymous } = on('left', at(3_000));
    expect(final.check([...good, anonymous]).verdict).toBe('pass');
  });

  it('fails on one accepted request of any operation, and measures how late it was', () => {
    for (const name of ['check', 'probe', 'me', 'another name']) {
      const late = [...good, on('left', { ...at(1_510), name })];
      expect(final.check(late)).toMatchObject({ verdict: 'fail', violations: 1 });
      expect(figure(late, 'revocation-lag')).toBe(500);
    }
  });

  it('treats a login with a presented session as the end of that session', () => {
    const login = on('replaced', { ...at(1_000), name: 'login' });
    expect(final.check([...good, login, on('replaced', at(900))]).verdict).toBe('pass');
    expect(final.check([...good, login, on('replaced', at(1_200))]).verdict).toBe('fail');
    expect(
      survive.check([...good, login, on('replaced', { ...at(1_200), ...refused })]).verdict,
    ).toBe('pass');
  });

  it('requires nothing after a logout that was not acknowledged', () => {
    const lost = { ...at(1_000), outcome: 'unknown', status: 503, error: 'http 503' } as const;
    const unknown = on('maybe', { ...lost, name: 'logout', requestId: 'maybe' });
    expect(final.check([...good, unknown, on('maybe', at(3_000))]).verdict).toBe('pass');
    expect(
      survive.check([...good, unknown, on('maybe', { ...at(3_000), ...refused })]).verdict,
    ).toBe('pass');
    // A design may record late, so an absent fact proves nothing.
    const silent = [...good, ended, unknown, on('maybe', { ...at(3_000), ...refused })];
    expect(survive.check(silent).verdict).toBe('pass');
  });

  it('is unknown while a session is missing from the final sweep', () => {
    const finalSweep = 'final-ended';
    const strict = logoutFinal({ targets, finalSweep });
    expect(strict.check(good)).toMatchObject({ verdict: 'unknown' });
    const phase = { kind: 'phase', name: finalSweep, startUs: 5_000, endUs: 9_000 } as const;
    const swept = [
      ...good,
      { ...phase, judged: false },
      ...targets.map((target) => on('left', { ...at(6_000), ...refused, target })),
      on('stays', at(7_000)),
    ];
    expect(strict.check(swept)).toMatchObject({ verdict: 'pass' });
    expect(sessionsSurvive({ targets, finalSweep }).check(swept).figures).toContainEqual(
      expect.objectContaining({ id: 'live-accepted', value: 1, unit: 'ratio' }),
    );
    const oneGateway = swept.filter((one) => !('target' in one) || one.target !== targets[1]);
    expect(strict.check(oneGateway).verdict).toBe('unknown');
  });

  it('is unknown when a process was hardly probed', () => {
    const one = good.filter(({ target, name }) => name === 'logout' || target === targets[0]);
    expect(final.check(one)).toMatchObject({
      verdict: 'unknown',
      reason: expect.stringContaining('gateway.2'),
    });
    expect(final.check([]).verdict).toBe('unknown');
    // One violation is enough for fail.
    expect(final.check([logout, on('left', at(2_000))]).verdict).toBe('fail');
  });
});

describe('sessions-survive', () => {
  it('fails when a session is refused that was not logged out', () => {
    expect(survive.check(good)).toMatchObject({ verdict: 'pass', violations: 0 });
    const lost = [...good, on('stays', { ...at(3_000), ...refused })];
    expect(survive.check(lost)).toMatchObject({ verdict: 'fail', violations: 1 });
    expect(survive.check(lost).figures).toMatchObject([{ id: 'sessions-lost', value: 1 }]);
  });

  it('ignores responses that are not a definite answer', () => {
    for (const [status, outcome] of [
      [503, 'unknown'],
      [429, 'fail'],
      [0, 'unknown'],
    ] as const)
      expect(survive.check([...good, on('stays', { ...at(3_000), status, outcome })]).verdict).toBe(
        'pass',
      );
  });
});

describe('life-cycle', () => {
  const login = operation(1, { name: 'login', requestId: 'in' });
  const made: FactRecord = { ...ended, name: 'session-created', requestId: 'in', id: '2' };
  const history = [login, made, operation(2, { name: 'logout', requestId: 'out' }), ended];

  it('requires one fact of the right kind for each login and logout', () => {
    expect(lifeCycleOnce.check(history)).toMatchObject({ verdict: 'pass', checked: 2 });
    expect(lifeCycleOnce.check([...history, { ...made, id: '3' }]).verdict).toBe('fail');
    expect(lifeCycleOnce.check([...history, { ...ended, requestId: 'x', id: '4' }]).verdict).toBe(
      'fail',
    );
    expect(lifeCycleOnce.check(history.filter((one) => one !== made)).verdict).toBe('fail');
    const crossed = history.map((one) =>
      one === made ? { ...made, name: 'session-revoked' } : one,
    );
    expect(lifeCycleOnce.check(crossed).verdict).toBe('fail');
  });

  it('ignores facts other than logins and logouts', () => {
    // A login replaces the session that was presented.
    const replaced = { ...ended, name: 'session-rotated', requestId: 'in', id: '9' };
    expect(lifeCycleOnce.check([...history, replaced]).verdict).toBe('pass');
    const rest: FactRecord[] = ['session-refused', 'audit'].map((name, i) => ({
      ...ended,
      name,
      requestId: `other ${i}`,
      id: `other ${i}`,
    }));
    expect(lifeCycleOnce.check([...history, ...rest]).verdict).toBe('pass');
  });

  it('is unknown without a logout', () => {
    expect(lifeCycleOnce.check([login, made]).verdict).toBe('unknown');
  });
});
