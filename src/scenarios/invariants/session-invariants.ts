/** Invariants about sessions, on the platform's operations and facts (session-events.ts). */

import { checkLogins, type LoginsInput } from '../../checkers/sessions/check-logins.ts';
import { checkRefusals } from '../../checkers/sessions/check-refusals.ts';
import { checkSessions } from '../../checkers/sessions/check-sessions.ts';
import {
  measureSessionCoverage,
  type SessionCoverage,
} from '../../checkers/sessions/session-coverage.ts';
import type { SessionExpiry } from '../../checkers/sessions/session-event.ts';
import { judgeLogoutFinal, judgeSessionsKept } from '../../checkers/sessions/session-verdicts.ts';
import { measureVerbs } from '../../checkers/sessions/verb-coverage.ts';
import type { HistoryRecord } from '../../sim/history.ts';
import { checkExactlyOnce } from '../../sim/pure/judge/check-exactly-once.ts';
import type { CheckResult } from '../../sim/pure/judge/check-result.ts';
import type { Figure } from '../../sim/result.ts';
import type { Invariant } from '../../sim/scenario.ts';
import {
  factsOf,
  loginAttempts,
  operationsOf,
  type SessionHistoryView,
  type Timeouts,
  viewSessions,
} from './session-events.ts';
import { operationsThat, type SessionVerb, verbOf } from './session-verbs.ts';

/** With fewer probes on one process, the verdict is unknown. */
const PROBES_PER_TARGET = 50;
/** Of sessions past their own end, and with forged secrets. */
const FEW_PROBES_PER_TARGET = 5;
/** The load knows of a session's own end this late. */
const SWEEP_MARGIN_US = 500_000;

export interface SessionTargets {
  /** Names of the service's processes: a verdict needs probes on each of them. */
  readonly targets: readonly string[];
  /** The phase that starts a last probe of every session; without it, probes during the load are enough. */
  readonly finalSweep?: string;
  /** Operations that must have ended a session which was used afterwards; default none in particular. */
  readonly verbs?: readonly string[];
  /** Of ended and of live sessions, on each process; default 50. */
  readonly probes?: number;
  /**
   * Sessions that must have been tried with another secret before they timed out, and used afterwards: Redis has a copy of
   * them that no use has extended. Default 0.
   */
  readonly copied?: number;
  /** Default those of the arm's design. */
  readonly timeouts?: Timeouts;
}

export function logoutFinal(given: SessionTargets): Invariant {
  return {
    id: 'logout-final',
    statement:
      'no request that starts after the end of its session was acknowledged is accepted, by any gateway',
    check(history) {
      const view = viewSessions(history, given.timeouts);
      const { events } = view;
      const answer = judgeLogoutFinal(checkSessions({ events, mustHaveSeen: enough(given) }));
      const verbs = measureVerbs(events, given.verbs ?? []);
      const figures = verbs.map(({ verb, probed }) => ({
        id: `probed-${verb.replaceAll(' ', '-')}`,
        label: `sessions used after "${verb}"`,
        value: probed,
        unit: 'count' as const,
      }));
      const withVerbs = { ...answer, figures: [...(answer.figures ?? []), ...figures] };
      const unseen = verbs.find(({ probed }) => probed === 0);
      const gap = unseen && `no session that "${unseen.verb}" ended was used afterwards`;
      return withCoverage(
        withGap(withVerbs, gap ?? null),
        coverageOf(history, view, given),
        (seen) => ({
          id: 'ended-refused',
          label: 'ended sessions refused by every process in the end',
          value: seen.ended === 0 ? null : seen.refused / seen.ended,
        }),
      );
    },
  };
}

export function sessionsSurvive(given: SessionTargets): Invariant {
  return {
    id: 'sessions-survive',
    statement: 'nobody is logged out who did not ask for it',
    check(history) {
      const view = viewSessions(history, given.timeouts);
      const { events, absolute, idle } = view;
      const expiries = [...absolute, ...idle];
      const findings = checkSessions({ events, expiries, mustHaveSeen: enough(given) });
      return withCoverage(
        judgeSessionsKept(findings),
        coverageOf(history, view, given),
        (seen) => ({
          id: 'live-accepted',
          label: 'live sessions accepted in the end',
          value: seen.live === 0 ? null : seen.accepted / seen.live,
        }),
      );
    },
  };
}

/** A session ends by itself: `idle` without a use, `absolute` in any case, also when it was renewed meanwhile. */
export function sessionsTimeOut(by: 'idle' | 'absolute', given: SessionTargets): Invariant {
  return {
    id: `${by}-timeout`,
    statement:
      by === 'idle'
        ? 'no session is accepted after its idle timeout without a use'
        : 'no session is accepted after its absolute timeout, renewed or not',
    check(history) {
      const view = viewSessions(history, given.timeouts);
      const events = view.events.filter(({ kind }) => kind !== 'revoke');
      const mustHaveSeen = { ...enough(given), afterRevoke: FEW_PROBES_PER_TARGET, live: 0 };
      const findings = checkSessions({ events, expiries: view[by], mustHaveSeen });
      const { verdict, reason, ...answer } = judgeLogoutFinal(findings);
      const copied = countCopied(history, view[by]);
      const { copied: wanted = 0 } = given;
      const timedOut: CheckResult = {
        verdict,
        ...(reason === undefined ? {} : { reason: reason.replace('logout', `${by} timeout`) }),
        ...answer,
        figures: [
          {
            id: 'sessions-timed-out',
            label: 'sessions timed out',
            value: findings.revoked,
            unit: 'count',
          },
          {
            id: 'timeout-lag',
            label: 'longest use after a timeout',
            value: findings.revoked === 0 ? null : findings.revocationLagUs,
            unit: 'us',
          },
          ...(wanted === 0 ? [] : [copiedFigure(copied)]),
        ],
      };
      const gap = `${copied} sessions timed out with a copy in Redis, ${wanted} needed`;
      return withGap(timedOut, copied < wanted ? gap : null);
    },
  };
}

const copiedFigure = (value: number): Figure => ({
  id: 'timed-out-copied',
  label: 'of them with a copy that no use had extended',
  value,
  unit: 'count',
});

/** Sessions tried with another secret before their end, and used after it. */
function countCopied(
  history: readonly HistoryRecord[],
  expiries: readonly SessionExpiry[],
): number {
  const endOf = new Map(expiries.map((expiry) => [expiry.subject, expiry]));
  const tried = new Set<string>();
  const used = new Set<string>();
  for (const { name, subject = '', status, doneUs, sentUs } of operationsOf(history)) {
    const end = endOf.get(subject);
    if (end === undefined) continue;
    const isForged = verbOf(name).presentsOtherSecret;
    if (isForged && status === 401 && doneUs < end.fromUs) tried.add(subject);
    if (!isForged && sentUs > end.toUs) used.add(subject);
  }
  return [...tried].filter((subject) => used.has(subject)).length;
}

/** Well-formed tokens of live sessions with another secret. */
export function forgedRefused({ targets }: SessionTargets): Invariant {
  return {
    id: 'forged-refused',
    statement: 'the id of a session without its secret opens nothing',
    check: (history) =>
      checkRefusals({
        operations: operationsOf(history).filter(({ name }) => verbOf(name).presentsOtherSecret),
        what: 'forged tokens',
        mustHaveSeen: { targets, refused: FEW_PROBES_PER_TARGET },
      }),
  };
}

export function loginsHonest(mustHaveSeen: LoginsInput['mustHaveSeen']): Invariant {
  return {
    id: 'logins-honest',
    statement:
      'a correct password opens a session or is refused for a stated reason; a wrong, old or disabled one opens none',
    check: (history) => checkLogins({ attempts: loginAttempts(history), mustHaveSeen }),
  };
}

function enough({ targets, probes = PROBES_PER_TARGET }: SessionTargets) {
  return { targets, afterRevoke: probes, live: probes };
}

/** A pass needs everything to have been seen; a fail does not. */
function withGap(answer: CheckResult, gap: string | null): CheckResult {
  return answer.verdict === 'pass' && gap !== null
    ? { ...answer, verdict: 'unknown', reason: gap }
    : answer;
}

function coverageOf(
  history: readonly HistoryRecord[],
  { events, absolute, idle }: SessionHistoryView,
  { targets, finalSweep }: SessionTargets,
): SessionCoverage | null {
  if (finalSweep === undefined) return null;
  const phase = history.find((record) => record.kind === 'phase' && record.name === finalSweep);
  const fromUs = phase?.kind === 'phase' ? phase.startUs : Number.POSITIVE_INFINITY;
  const expiries = [...absolute, ...idle].map(
    (one): SessionExpiry => ({ ...one, toUs: one.toUs + SWEEP_MARGIN_US }),
  );
  return measureSessionCoverage({ events, expiries, fromUs, targets });
}

function withCoverage(
  answer: CheckResult,
  coverage: SessionCoverage | null,
  figure: (seen: SessionCoverage) => Omit<Figure, 'unit'>,
): CheckResult {
  if (coverage === null) return answer;
  const figures = [...(answer.figures ?? []), { ...figure(coverage), unit: 'ratio' as const }];
  return withGap({ ...answer, figures }, coverage.gap);
}

/** The session events of turn 1; turn 3 generalises this to every action. */
export const lifeCycleOnce: Invariant = {
  id: 'life-cycle',
  statement: 'every acknowledged login, renewal and logout is on record exactly once',
  check(history) {
    const answers = RECORDED.map(([fact, has]) => checkRecorded(history, fact, has));
    return combineCheckResults(answers.filter((answer) => answer !== null));
  },
};

/** Facts and the operations that record exactly one each. */
const RECORDED: readonly (readonly [fact: string, has: (verb: SessionVerb) => boolean])[] = [
  ['session-created', ({ opensSession }) => opensSession === true],
  [
    'session-revoked',
    ({ ends, withoutProof, refusesOther }) =>
      ends === 'own' && withoutProof === true && !refusesOther,
  ],
  ['session-rotated', ({ renews }) => renews === true],
];

/** Facts of other operations, which may end several sessions or none, are left out. Null: nothing was asked for. */
function checkRecorded(
  history: readonly HistoryRecord[],
  fact: string,
  has: (verb: SessionVerb) => boolean,
): CheckResult | null {
  const operations = operationsOf(history);
  const names = new Set(operationsThat(has));
  const others = new Set(
    operations.filter(({ name }) => !names.has(name)).map(({ requestId }) => requestId),
  );
  const recording = operations.filter(({ name }) => names.has(name));
  const facts = factsOf(history).filter(
    ({ name, requestId }) => name === fact && !others.has(requestId),
  );
  const isOptional = fact === 'session-rotated';
  if (isOptional && recording.length === 0 && facts.length === 0) return null;
  return checkExactlyOnce({ operations: recording, facts });
}

function combineCheckResults(answers: readonly CheckResult[]): CheckResult {
  const sum = (of: (answer: CheckResult) => number) =>
    answers.reduce((all, one) => all + of(one), 0);
  const worst =
    answers.find(({ verdict }) => verdict === 'fail') ??
    answers.find(({ verdict }) => verdict === 'unknown');
  return {
    verdict: worst?.verdict ?? 'pass',
    checked: sum(({ checked }) => checked),
    violations: sum(({ violations }) => violations),
    witness: answers.flatMap(({ witness }) => witness).slice(0, 10),
    ...(worst?.reason === undefined ? {} : { reason: worst.reason }),
  };
}
