import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../sim/history.ts';
import { operation } from '../../sim/pure/fixtures/records.ts';
import { checkSessions, type SessionsInput } from './check-sessions.ts';
import { type StartedSession, toRevocationEvents } from './revocations.ts';
import type { SessionEvent } from './session-event.ts';
import { judgeLogoutFinal, judgeSessionsKept } from './session-verdicts.ts';

const TARGETS = ['gateway.1', 'gateway.2'];
const mustHaveSeen = { targets: TARGETS, afterRevoke: 1, live: 1 };

let nextId = 0;
function at(sentUs: number, doneUs: number, fields: Partial<OperationRecord> = {}) {
  nextId += 1;
  return operation(nextId, { scheduledUs: sentUs, sentUs, doneUs, ...fields });
}
const event = (
  kind: SessionEvent['kind'],
  [sentUs, doneUs]: readonly [number, number],
  fields: Partial<OperationRecord> = {},
  subject = 's1',
): SessionEvent => {
  const refused = { outcome: 'fail', status: 401 } as const;
  return {
    kind,
    subject,
    operation: at(sentUs, doneUs, { ...(kind === 'refused' ? refused : {}), ...fields }),
  };
};
const accepted = event.bind(null, 'accepted');
const refused = event.bind(null, 'refused');
const revoke = event.bind(null, 'revoke');

/** Enough probes for a verdict: a live one and one after a logout on each process. */
const enoughProbes: SessionEvent[] = TARGETS.flatMap((target, index) => [
  accepted([0, 10], { target }, `seen-${index}`),
  revoke([20, 30], {}, `seen-${index}`),
  refused([40, 50], { target }, `seen-${index}`),
]);
function check(events: readonly SessionEvent[], more: Partial<SessionsInput> = {}) {
  const findings = checkSessions({ events: [...enoughProbes, ...events], mustHaveSeen, ...more });
  return { findings, final: judgeLogoutFinal(findings), kept: judgeSessionsKept(findings) };
}

describe('checkSessions', () => {
  const correct: [string, SessionEvent[]][] = [
    ['uses before, refusals after', [accepted([0, 9]), revoke([20, 30]), refused([31, 40])]],
    ['a use that overlaps the logout, accepted', [revoke([20, 30]), accepted([29, 99])]],
    ['a use that overlaps the logout, refused', [revoke([20, 30]), refused([10, 21])]],
    [
      'an accepted use sent at the very instant of the answer',
      [revoke([20, 30]), accepted([30, 40])],
    ],
    [
      'an unknown logout, whichever way it went',
      [revoke([20, 30], { outcome: 'unknown', status: 0 }), accepted([50, 60]), refused([70, 80])],
    ],
    [
      'an unknown logout found in the server record: no instant is guaranteed',
      [{ ...revoke([20, 30]), operation: { ...at(20, 30), reconciled: true } }, accepted([50, 60])],
    ],
    [
      'a failed logout that changed nothing',
      [revoke([20, 30], { outcome: 'fail', status: 503 }), accepted([50, 60])],
    ],
    ['a 503 instead of an answer', [refused([50, 60], { status: 503, outcome: 'unknown' })]],
    [
      'a refusal concurrent with an accepted use',
      [revoke([5, 99]), refused([10, 50]), accepted([20, 40])],
    ],
    [
      'a second logout that is refused',
      [revoke([20, 30]), revoke([40, 50], { outcome: 'fail', status: 401 })],
    ],
  ];
  it.each(correct)('passes %s', (_, events) => {
    const { final, kept } = check(events);
    expect([final.verdict, kept.verdict]).toEqual(['pass', 'pass']);
  });

  it('reports a request accepted after logout, with the lag and a witness', () => {
    const { findings, final, kept } = check([
      accepted([1, 2]),
      revoke([20, 30]),
      accepted([31, 32]),
      accepted([530, 540]),
      refused([600, 610]),
    ]);
    expect(final).toMatchObject({ verdict: 'fail', violations: 2 });
    expect(kept.verdict).toBe('pass');
    expect(findings).toMatchObject({ acceptedLate: 2, revocationLagUs: 500, resurrected: 0 });
    expect(final.witness.map(({ event: kind, sentUs }) => [kind, sentUs])).toEqual([
      ['accepted', 1],
      ['revoke', 20],
      ['accepted', 31],
      ['accepted', 530],
      ['refused', 600],
    ]);
  });

  it('reports a session that comes back after a refusal, even if its logout was never acknowledged', () => {
    const unknown = revoke([20, 30], { outcome: 'unknown', status: 0 });
    const { findings, final } = check([unknown, refused([40, 50]), accepted([51, 60])]);
    expect(final.verdict).toBe('fail');
    expect(findings).toMatchObject({
      acceptedLate: 1,
      resurrected: 1,
      revocationLagUs: 0,
      lost: 0,
    });
  });

  it('counts a session refused without a logout as lost, not as a late acceptance', () => {
    const { findings, final, kept } = check([
      accepted([1, 2]),
      refused([40, 50]),
      accepted([60, 70]),
    ]);
    expect(final.verdict).toBe('pass');
    expect(kept).toMatchObject({ verdict: 'fail', violations: 1 });
    expect(findings).toMatchObject({ lost: 1, resurrected: 0, acceptedLate: 0 });
    expect(kept.witness).toHaveLength(3);
  });

  it('counts a session refused before its logout was sent as lost', () => {
    expect(check([refused([1, 5]), revoke([20, 30])]).findings.lost).toBe(1);
  });

  it('lets a session expire, in its interval and not before', () => {
    const expiries = [{ subject: 's1', fromUs: 100, toUs: 200 }];
    const refusedAt = (when: readonly [number, number]) =>
      check([refused(when)], { expiries }).kept;
    expect(refusedAt([90, 100]).verdict).toBe('pass');
    expect(refusedAt([80, 99]).verdict).toBe('fail');
    expect(check([accepted([201, 210])], { expiries }).final.verdict).toBe('fail');
  });

  it('shows ten operations at most, the worst session first', () => {
    const events = Array.from({ length: 30 }, (_, index) => [
      revoke([20, 30], {}, `x${index}`),
      accepted([100 + index, 200], {}, `x${index}`),
    ]).flat();
    const { witness, violations } = check(events).final;
    expect(violations).toBe(30);
    expect(witness).toHaveLength(10);
    expect(witness[0]).toMatchObject({ session: 'x29', event: 'revoke' });
  });
});

describe('mustHaveSeen', () => {
  it('is unknown without a probe after a logout on every process, and says which', () => {
    const onlyOne = enoughProbes.filter(
      ({ kind, operation: { target } }) => !(kind === 'refused' && target === 'gateway.2'),
    );
    const final = judgeLogoutFinal(checkSessions({ events: onlyOne, mustHaveSeen }));
    expect(final.verdict).toBe('unknown');
    expect(final.reason).toBe('0 uses after an acknowledged logout on gateway.2, 1 needed');
  });

  it('is unknown without live probes, and when there is nothing at all', () => {
    const withoutLive = enoughProbes.filter(({ kind }) => kind !== 'accepted');
    expect(judgeSessionsKept(checkSessions({ events: withoutLive, mustHaveSeen })).verdict).toBe(
      'unknown',
    );
    expect(judgeLogoutFinal(checkSessions({ events: [], mustHaveSeen })).verdict).toBe('unknown');
  });

  it('fails on a violation even with too few probes', () => {
    const findings = checkSessions({
      events: [revoke([20, 30]), accepted([40, 50])],
      mustHaveSeen: { targets: TARGETS, afterRevoke: 1_000, live: 1_000 },
    });
    expect(judgeLogoutFinal(findings).verdict).toBe('fail');
  });
});

describe('toRevocationEvents', () => {
  const all = at(100, 200);
  const startedSession = (subject: string, sentUs: number, doneUs: number): StartedSession => ({
    subject,
    began: { sentUs, doneUs },
  });
  const accept = (subject: string) => accepted([300, 310], {}, subject);
  const late = (session: StartedSession) =>
    check([...toRevocationEvents(all, [session]), accept(session.subject)]).findings.acceptedLate;

  it('ends earlier sessions, spares later ones, and allows either for concurrent logins', () => {
    expect(late({ subject: 'old', began: null })).toBe(1);
    expect(late(startedSession('before', 50, 99))).toBe(1);
    expect(late(startedSession('concurrent', 150, 250))).toBe(0);
    expect(late(startedSession('after', 201, 250))).toBe(0);
    const refusals = ['concurrent', 'after'].map((subject) => refused([300, 310], {}, subject));
    const sessions = [startedSession('concurrent', 150, 250), startedSession('after', 201, 250)];
    expect(check([...toRevocationEvents(all, sessions), ...refusals]).findings.lost).toBe(1);
  });

  it('ends the session of a concurrent login that proves it came first', () => {
    const session = startedSession('old password', 150, 250);
    expect(late({ ...session, provesOrder: true })).toBe(1);
  });
});

/**
 * One session on a correct platform: a revocation takes effect at one instant between its sending and its answer,
 * each use is decided at one instant, and the network adds any delay on both sides.
 */
const delay = fc.nat({ max: 40 });
const widened = fc.record({ instant: fc.nat({ max: 200 }), out: delay, back: delay });
type Widened = { instant: number; out: number; back: number };
const interval = ({ instant, out, back }: Widened) => [instant - out, instant + back] as const;
const sessionPlan = fc.record({
  revocation: fc.option(widened, { nil: null }),
  revokeOutcome: fc.constantFrom('ok', 'unknown') as fc.Arbitrary<'ok' | 'unknown'>,
  uses: fc.array(widened, { maxLength: 12 }),
});

function correctHistory(
  plans: readonly (typeof sessionPlan extends fc.Arbitrary<infer T> ? T : never)[],
) {
  return plans.flatMap(({ revocation, revokeOutcome, uses }, index) => {
    const subject = `p${index}`;
    const shifted = (use: Widened) => {
      const [sent, done] = interval(use);
      return [sent + 1_000, done + 1_000] as const;
    };
    const events = uses.map((use) =>
      revocation !== null && use.instant >= revocation.instant
        ? refused(shifted(use), {}, subject)
        : accepted(shifted(use), {}, subject),
    );
    if (revocation !== null) {
      events.push(revoke(shifted(revocation), { outcome: revokeOutcome }, subject));
    }
    return events;
  });
}

describe('on generated histories', () => {
  it('never raises a false alarm, whatever the network delays', () => {
    fc.assert(
      fc.property(fc.array(sessionPlan, { maxLength: 8 }), (plans) => {
        const { findings } = check(correctHistory(plans));
        expect(findings).toMatchObject({ acceptedLate: 0, resurrected: 0, lost: 0 });
      }),
    );
  });

  it('agrees with a search for the instant of revocation, session by session', () => {
    const use = fc.record({ accepted: fc.boolean(), from: fc.nat(30), length: fc.nat(10) });
    const revocation = fc.record({ from: fc.nat(30), length: fc.nat(10), known: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(use, { maxLength: 6 }),
        fc.array(revocation, { maxLength: 2 }),
        (uses, revocations) => {
          const events = [
            ...uses.map((one) => {
              const span = [one.from, one.from + one.length] as const;
              return one.accepted ? accepted(span) : refused(span);
            }),
            ...revocations.map((one) =>
              revoke([one.from, one.from + one.length], { outcome: one.known ? 'ok' : 'unknown' }),
            ),
          ];
          const possible = [...Array(60).keys(), Number.POSITIVE_INFINITY].some((t) =>
            explains(t, events),
          );
          const { acceptedLate, lost } = check(events).findings;
          expect(acceptedLate + lost === 0).toBe(possible);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('finds every planted late acceptance', () => {
    const lagUs = fc.integer({ min: 1, max: 1_000 });
    fc.assert(
      fc.property(fc.array(sessionPlan, { maxLength: 5 }), lagUs, (plans, lag) => {
        const planted = [
          revoke([1_000, 1_100], {}, 'planted'),
          accepted([1_100 + lag, 9_000], {}, 'planted'),
        ];
        const { findings } = check([...correctHistory(plans), ...planted]);
        expect(findings).toMatchObject({ acceptedLate: 1, revocationLagUs: lag, lost: 0 });
      }),
    );
  });
});

/** The definition: is the history explained by a revocation at `t`? */
function explains(t: number, events: readonly SessionEvent[]): boolean {
  const revocations = events.filter(({ kind }) => kind === 'revoke').map((one) => one.operation);
  const isAfterFirstRevocation =
    t === Number.POSITIVE_INFINITY || revocations.some(({ sentUs }) => sentUs <= t);
  const isBeforeAcknowledged = revocations.every(
    ({ outcome, doneUs }) => outcome !== 'ok' || t <= doneUs,
  );
  const uses = events.every(({ kind, operation: { sentUs, doneUs } }) =>
    kind === 'revoke' ? true : kind === 'accepted' ? sentUs <= t : t <= doneUs,
  );
  return isAfterFirstRevocation && isBeforeAcknowledged && uses;
}
