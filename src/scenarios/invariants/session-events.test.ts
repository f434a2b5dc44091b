import { describe, expect, it } from 'vitest';
import type { FactRecord, HistoryRecord, OperationRecord } from '../../sim/history.ts';
import { operation } from '../../sim/pure/fixtures/records.ts';
import { loginAttempts, viewSessions } from './session-events.ts';
import {
  forgedRefused,
  lifeCycleOnce,
  logoutFinal,
  sessionsSurvive,
  sessionsTimeOut,
} from './session-invariants.ts';

const targets = ['gateway.1', 'gateway.2'];
const SECOND = 1_000_000;
const refused = { outcome: 'fail', status: 401, error: 'http 401' } as const;
const unknown = { outcome: 'unknown', status: 503, error: 'http 503' } as const;

let ids = 0;
/** At second `at`, answered 10 ms later. */
const send = (name: string, at: number, fields: Partial<OperationRecord> = {}): OperationRecord => {
  ids += 1;
  const sentUs = Math.round(at * SECOND);
  const stamps = { scheduledUs: sentUs, sentUs, doneUs: sentUs + 10_000 };
  return operation(ids, { name, user: 'u', target: targets[ids % 2]!, ...stamps, ...fields });
};
const originAt = '2026-11-29T10:00:00.000Z';
const arm = { kind: 'arm', arm: 'after', design: 'turn1.after', seed: 1, originAt } as const;
const fact = (name: string, subject: string, at: number, more: Partial<FactRecord> = {}) => {
  ids += 1;
  const occurredAtUs = Date.parse(originAt) * 1_000 + at * SECOND;
  const common = { kind: 'effect', name, id: `${ids}`, user: 'u', requestId: '' } as const;
  return { ...common, subject, occurredAtUs, ...more };
};
/** What the operation opened. */
const opened = ({ requestId }: OperationRecord, subject: string, at: number) =>
  fact('session-created', subject, at, { requestId });
const used = (subject: string, at: number, fields: Partial<OperationRecord> = {}) =>
  send('check', at, { subject, ...fields });

const late = (history: readonly HistoryRecord[]) => {
  const { violations } = logoutFinal({ targets: [] }).check(history);
  return violations;
};
const lost = (history: readonly HistoryRecord[]) =>
  sessionsSurvive({ targets: [] }).check(history).violations;

describe('an operation that ends several sessions', () => {
  const before = [used('a', 1), used('b', 1), used('c', 1, { user: 'other' })];

  it.each([
    ['end all', ['a', 'b']],
    ['end others', ['b']],
    ['change password', ['a', 'b']],
    ['disable user', ['a', 'b']],
    ['end as admin', ['a', 'b']],
    ['end session', ['a']],
    ['renew', ['a']],
    ['logout', ['a']],
  ])('"%s" ends %j and no others', (name, ended) => {
    const end = send(name, 2, { subject: 'a' });
    for (const subject of ['a', 'b', 'c']) {
      const user = subject === 'c' ? 'other' : 'u';
      const isEnded = ended.includes(subject);
      expect(late([...before, end, used(subject, 3, { user })])).toBe(isEnded ? 1 : 0);
      const refusal = used(subject, 3, { user, ...refused });
      expect(lost([...before, end, refusal])).toBe(isEnded ? 0 : 1);
    }
  });

  it('allows either answer while it runs, and after one of unknown outcome', () => {
    const end = send('end all', 2, { subject: 'a', doneUs: 4 * SECOND });
    for (const more of [{}, refused]) {
      expect(late([...before, end, used('b', 3, more)])).toBe(0);
      expect(lost([...before, end, used('b', 3, more)])).toBe(0);
      const lostAnswer = { ...end, ...unknown };
      expect(late([...before, lostAnswer, used('b', 5, more)])).toBe(0);
      expect(lost([...before, lostAnswer, used('b', 5, more)])).toBe(0);
    }
  });

  it('ends no session that was opened afterwards, and may end one that was opened beside it', () => {
    const end = send('end all', 2, { subject: 'a', doneUs: 3 * SECOND });
    const at = (seconds: number) => {
      const login = send('log in', seconds, { doneUs: (seconds + 0.1) * SECOND });
      return [...before, end, login, opened(login, 'n', seconds)];
    };
    for (const [seconds, mustEnd, mayEnd] of [
      [1.5, 1, 0],
      [2.5, 0, 0],
      [3.5, 0, 1],
    ] as const) {
      expect(late([...at(seconds), used('n', 5)])).toBe(mustEnd);
      expect(lost([...at(seconds), used('n', 5, refused)])).toBe(mayEnd);
    }
  });

  it('does not end the session that it opens itself', () => {
    const change = send('change password', 2, { subject: 'a' });
    const history = [...before, change, opened(change, 'n', 2)];
    expect(late([...history, used('n', 3)])).toBe(0);
    expect(lost([...history, used('n', 3, refused)])).toBe(1);
  });

  it('ends the session of a login with the old password that succeeded beside the change', () => {
    const change = send('change password', 2, { subject: 'a', doneUs: 4 * SECOND });
    const login = send('login', 2.5, { doneUs: 5 * SECOND });
    const history = [...before, change, login, opened(login, 'n', 3)];
    expect(late([...history, used('n', 6)])).toBe(1);
    expect(late([...history, used('n', 4.5)])).toBe(0);
  });

  it('says nothing about its session when the administrator or the password is refused', () => {
    for (const name of ['disable user', 'login', 'log in outdated', 'forged'])
      expect(lost([...before, send(name, 2, { subject: 'a', ...refused })])).toBe(0);
    for (const name of ['end all', 'renew', 'end others', 'check'])
      expect(lost([...before, send(name, 2, { subject: 'a', ...refused })])).toBe(1);
  });

  it('must have been seen, where the scenario says so', () => {
    const history = [
      ...Array.from({ length: 60 }, () => used('b', 1)),
      send('renew', 2, { subject: 'a' }),
      ...Array.from({ length: 60 }, () => used('a', 3, refused)),
    ];
    const verdict = (verbs: readonly string[]) =>
      logoutFinal({ targets: [], verbs }).check(history);
    expect(verdict(['renew']).verdict).toBe('pass');
    expect(verdict(['renew', 'end all'])).toMatchObject({
      verdict: 'unknown',
      reason: 'no session that "end all" ended was used afterwards',
    });
  });
});

describe('timeouts', () => {
  const HOURS = 3_600;
  const seeded = (by: 'idle' | 'absolute', endsAt: number, subject = 's') =>
    fact('session-seeded', subject, endsAt - (by === 'idle' ? 0.5 : 12) * HOURS, {
      facts: { ending: by },
    });
  /** Tells the checker how the platform's clock is ahead of the client's. */
  const anyLogin = send('log in', 0.5);
  const clock = [arm, anyLogin, opened(anyLogin, 'any', 0.505)];
  const judge = (by: 'idle' | 'absolute', history: readonly HistoryRecord[]) =>
    sessionsTimeOut(by, { targets: [] }).check([...clock, ...history]).violations;

  it.each(['idle', 'absolute'] as const)('the %s end is on the clock of the run', (by) => {
    const history = [seeded(by, 10), used('x', 20)];
    expect(judge(by, [...history, used('s', 10.05)])).toBe(0);
    expect(judge(by, [...history, used('s', 11)])).toBe(1);
    expect(lost([...clock, ...history, used('s', 9.5, refused)])).toBe(1);
    expect(lost([...clock, ...history, used('s', 11, refused)])).toBe(0);
    expect(judge(by === 'idle' ? 'absolute' : 'idle', [...history, used('s', 11)])).toBe(0);
  });

  it('the idle end moves with a use, the absolute one does not', () => {
    const use = used('s', 5);
    expect(judge('idle', [seeded('idle', 10), use, used('s', 11)])).toBe(0);
    expect(lost([...clock, seeded('idle', 10), use, used('s', 11, refused)])).toBe(1);
    expect(judge('absolute', [seeded('absolute', 10), use, used('s', 11)])).toBe(1);
  });

  it('a renewal keeps the absolute end', () => {
    const renewal = send('renew aged', 5, { subject: 's' });
    const again = send('renew aged', 6, { subject: 'n' });
    const history = [
      seeded('absolute', 10),
      renewal,
      opened(renewal, 'n', 5),
      again,
      opened(again, 'm', 6),
    ];
    expect(judge('absolute', [...history, used('m', 9)])).toBe(0);
    expect(judge('absolute', [...history, used('m', 11)])).toBe(1);
    expect(lost([...clock, ...history, used('m', 11, refused)])).toBe(0);
  });

  it('are unknown when no session was used after its end', () => {
    const answer = sessionsTimeOut('idle', { targets }).check([...clock, seeded('idle', 10)]);
    expect(answer).toMatchObject({
      verdict: 'unknown',
      reason: expect.stringContaining('idle timeout'),
    });
  });

  it('are unknown when Redis had a copy of too few sessions that timed out', () => {
    const idle = sessionsTimeOut('idle', { targets: [], copied: 1 });
    const probes = [11, 11.1, 11.2, 11.3, 11.4].map((at) => used('s', at, refused));
    const history = [...clock, seeded('idle', 10), ...probes];
    const tried = (at: number) => send('forged dozing', at, { subject: 's', ...refused });
    expect(idle.check(history)).toMatchObject({
      verdict: 'unknown',
      reason: expect.stringContaining('0 sessions timed out with a copy'),
    });
    expect(idle.check([...history, tried(11)]).verdict).toBe('unknown');
    expect(idle.check([...history, tried(9)])).toMatchObject({ verdict: 'pass', violations: 0 });
  });

  it('are not known without the arm, and without a record that compares the clocks', () => {
    const idle = (history: readonly HistoryRecord[]) =>
      viewSessions([...history, seeded('idle', 10), used('x', 20)]).idle.length;
    expect(idle(clock)).toBe(1);
    expect(idle(clock.slice(1))).toBe(0);
    expect(idle([arm])).toBe(0);
  });

  it('are on the clock of the platform, however far ahead it is', () => {
    const ahead = (one: HistoryRecord) =>
      one.kind === 'effect' ? { ...one, occurredAtUs: one.occurredAtUs + 400_000 } : one;
    const history = [...clock, seeded('absolute', 10)].map(ahead);
    const { violations } = sessionsTimeOut('absolute', { targets: [] }).check([
      ...history,
      used('s', 10.2),
    ]);
    expect(violations).toBe(1);
  });
});

describe('logins', () => {
  const expected = (...history: readonly OperationRecord[]) =>
    loginAttempts(history).map((one) => one.expected);
  const change = send('change password', 2, { subject: 'a' });
  const disable = send('disable user', 2, { subject: 'a' });
  const login = (name: string, at: number) => send(name, at, { user: 'u' });

  it.each([
    ['log in', change, ['accepted', 'either', 'refused']],
    ['log in changed', change, ['refused', 'either', 'accepted']],
    ['log in', disable, ['accepted', 'either', 'refused']],
    ['log in wrong', change, ['refused', 'refused', 'refused']],
  ] as const)('%s, before, beside and after a change', (name, by, [first, beside, last]) => {
    expect(expected(login(name, 1), by)).toEqual([first]);
    expect(expected(by, login(name, 2.005))).toEqual([beside]);
    expect(expected(by, login(name, 3))).toEqual([last]);
  });

  it('may have either answer after a change of unknown outcome, and the first one after none', () => {
    const maybe = { ...change, ...unknown };
    expect(expected(maybe, login('log in', 5))).toEqual(['either']);
    expect(expected(maybe, login('log in changed', 5))).toEqual(['either']);
    const failed = { ...change, outcome: 'fail', status: 403 } as const;
    expect(expected(failed, login('log in', 5))).toEqual(['accepted']);
    expect(expected({ ...disable, user: 'other' }, login('log in', 5))).toEqual(['accepted']);
  });
});

describe('life cycle', () => {
  const login = send('login', 1, { requestId: 'in' });
  const out = send('logout', 2, { requestId: 'out' });
  const good = [
    login,
    out,
    opened(login, 'a', 1),
    fact('session-revoked', 'a', 2, { requestId: 'out' }),
  ];

  it('asks nothing of operations that end many, and one replacement of each renewal', () => {
    const all = send('end all', 3);
    const ends = ['b', 'c'].map((subject) =>
      fact('session-revoked', subject, 3, { requestId: all.requestId }),
    );
    expect(lifeCycleOnce.check([...good, all, ...ends]).verdict).toBe('pass');
    const renewal = send('renew', 3, { subject: 'b' });
    const renewed = [...good, renewal, opened(renewal, 'n', 3)];
    expect(lifeCycleOnce.check(renewed).verdict).toBe('fail');
    const rotated = fact('session-rotated', 'b', 3, { requestId: renewal.requestId });
    expect(lifeCycleOnce.check([...renewed, rotated]).verdict).toBe('pass');
    expect(lifeCycleOnce.check([...renewed, rotated, { ...rotated, id: 'x' }]).verdict).toBe(
      'fail',
    );
  });
});

describe('a forged token', () => {
  it('is about no session, and must be refused everywhere', () => {
    const refusals = Array.from({ length: 20 }, () =>
      send('forged', 1, { subject: 'a', ...refused }),
    );
    const accepted = send('forged', 2, { subject: 'a' });
    expect(forgedRefused({ targets }).check(refusals).verdict).toBe('pass');
    expect(forgedRefused({ targets }).check([...refusals, accepted]).verdict).toBe('fail');
    expect(lost([...refusals, used('a', 3)])).toBe(0);
    expect(late([send('logout', 1, { subject: 'a' }), accepted])).toBe(0);
  });
});
