/** Invariants about sessions: they map the platform's operations and facts to the checkers' input. */

import { checkSessions, type SessionFindings } from '../checkers/sessions/check-sessions.ts';
import { type ReconciledOperation, reconcile } from '../checkers/sessions/reconcile.ts';
import {
  measureSessionCoverage,
  type SessionCoverage,
} from '../checkers/sessions/session-coverage.ts';
import type { SessionEvent } from '../checkers/sessions/session-event.ts';
import { judgeLogoutFinal, judgeSessionsKept } from '../checkers/sessions/session-verdicts.ts';
import type { FactRecord, HistoryRecord, OperationRecord } from '../sim/history.ts';
import { checkExactlyOnce } from '../sim/pure/judge/check-exactly-once.ts';
import type { CheckResult } from '../sim/pure/judge/check-result.ts';
import type { Figure } from '../sim/result.ts';
import type { Invariant } from '../sim/scenario.ts';

/** With fewer probes on one process, the verdict is unknown. */
const PROBES_PER_TARGET = 50;

export interface SessionTargets {
  /** Names of the service's processes: a verdict needs probes on each of them. */
  readonly targets: readonly string[];
  /** The phase that starts a last probe of every session; without it, probes during the load are enough. */
  readonly finalSweep?: string;
}

export function logoutFinal(given: SessionTargets): Invariant {
  return {
    id: 'logout-final',
    statement: 'no request that starts after a logout was acknowledged is accepted, by any gateway',
    check(history) {
      const { findings, coverage } = evaluateSessions(history, given);
      return withCoverage(judgeLogoutFinal(findings), coverage, (seen) => ({
        id: 'ended-refused',
        label: 'ended sessions refused by every process in the end',
        value: seen.ended === 0 ? null : seen.refused / seen.ended,
      }));
    },
  };
}

export function sessionsSurvive(given: SessionTargets): Invariant {
  return {
    id: 'sessions-survive',
    statement: 'nobody is logged out who did not ask for it',
    check(history) {
      const { findings, coverage } = evaluateSessions(history, given);
      return withCoverage(judgeSessionsKept(findings), coverage, (seen) => ({
        id: 'live-accepted',
        label: 'live sessions accepted in the end',
        value: seen.live === 0 ? null : seen.accepted / seen.live,
      }));
    },
  };
}

/** A pass needs a final sweep without a gap; a fail does not. */
function withCoverage(
  answer: CheckResult,
  coverage: SessionCoverage | null,
  figure: (seen: SessionCoverage) => Omit<Figure, 'unit'>,
): CheckResult {
  if (coverage === null) return answer;
  const figures = [...(answer.figures ?? []), { ...figure(coverage), unit: 'ratio' as const }];
  return answer.verdict === 'pass' && coverage.gap !== null
    ? { ...answer, figures, verdict: 'unknown', reason: coverage.gap }
    : { ...answer, figures };
}

/** The session events of turn 1; turn 3 generalises this to every action. */
export const lifeCycleOnce: Invariant = {
  id: 'life-cycle',
  statement: 'every acknowledged login and logout is on record exactly once',
  check(history) {
    const answers = Object.entries(RECORDED_AS).map(([operation, fact]) =>
      checkExactlyOnce({
        operations: operationsOf(history).filter(({ name }) => name === operation),
        facts: factsOf(history).filter(({ name }) => name === fact),
      }),
    );
    return combineCheckResults(answers);
  },
};

/** The fact that each operation records. */
const RECORDED_AS = { login: 'session-created', logout: 'session-revoked' } as const;

interface SessionEvaluation {
  readonly findings: SessionFindings;
  readonly coverage: SessionCoverage | null;
}

function evaluateSessions(
  history: readonly HistoryRecord[],
  { targets, finalSweep }: SessionTargets,
): SessionEvaluation {
  const { operations } = reconcile({
    operations: operationsOf(history),
    facts: factsOf(history),
    recordedAs: RECORDED_AS,
    // A design may record late or not at all, so an absent fact proves nothing.
    isRecordFinal: false,
  });
  const events = operations.flatMap(toSessionEvents);
  const findings = checkSessions({
    events,
    mustHaveSeen: { targets, afterRevoke: PROBES_PER_TARGET, live: PROBES_PER_TARGET },
  });
  if (finalSweep === undefined) return { findings, coverage: null };
  const phase = history.find((record) => record.kind === 'phase' && record.name === finalSweep);
  const fromUs = phase?.kind === 'phase' ? phase.startUs : Number.POSITIVE_INFINITY;
  return { findings, coverage: measureSessionCoverage({ events, fromUs, targets }) };
}

function toSessionEvents(operation: ReconciledOperation): SessionEvent[] {
  const { subject, name, outcome, status } = operation;
  if (subject === undefined) return [];
  // A 401 to a login concerns its password, not the presented session.
  if (status === 401) return name === 'login' ? [] : [{ kind: 'refused', subject, operation }];
  // A login with a presented session revokes that session.
  if (name === 'logout' || name === 'login') return [{ kind: 'revoke', subject, operation }];
  return outcome === 'ok' ? [{ kind: 'accepted', subject, operation }] : [];
}

function operationsOf(history: readonly HistoryRecord[]): OperationRecord[] {
  return history.filter((record) => record.kind === 'op');
}

function factsOf(history: readonly HistoryRecord[]): FactRecord[] {
  return history.filter((record) => record.kind === 'effect');
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
