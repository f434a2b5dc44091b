/** Invariants about sessions, in the platform's own shapes: they turn the turn's operations into what a checker reads. */

import { checkSessions, type SessionFindings } from '../checkers/sessions/check-sessions.ts';
import { type ReconciledOperation, reconcile } from '../checkers/sessions/reconcile.ts';
import { type SessionCoverage, sessionCoverage } from '../checkers/sessions/session-coverage.ts';
import type { SessionEvent } from '../checkers/sessions/session-event.ts';
import { logoutIsFinal, sessionsAreKept } from '../checkers/sessions/session-verdicts.ts';
import type { EffectRecord, HistoryRecord, OperationRecord } from '../sim/history.ts';
import { checkExactlyOnce } from '../sim/pure/check-exactly-once.ts';
import type { Figure, InvariantResult } from '../sim/result.ts';
import type { Invariant } from '../sim/scenario.ts';

type Answer = Omit<InvariantResult, 'id' | 'statement'>;

/** Fewer probes on one process than this say nothing about it. */
const PROBES_PER_TARGET = 50;

export interface SessionTargets {
  /** Processes of the service by name: a verdict needs probes on each of them. */
  readonly targets: readonly string[];
  /** The phase from which on everybody is looked at once more; without it the probes along the way must do. */
  readonly lastLook?: string;
}

export function logoutFinal(given: SessionTargets): Invariant {
  return {
    id: 'logout-final',
    statement: 'no request that starts after a logout was acknowledged is accepted, by any gateway',
    check(history) {
      const { findings, coverage } = seenIn(history, given);
      return withCoverage(logoutIsFinal(findings), coverage, (seen) => ({
        ...{ id: 'ended-refused', label: 'ended sessions refused by every process in the end' },
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
      const { findings, coverage } = seenIn(history, given);
      return withCoverage(sessionsAreKept(findings), coverage, (seen) => ({
        ...{ id: 'live-accepted', label: 'live sessions accepted in the end' },
        value: seen.live === 0 ? null : seen.accepted / seen.live,
      }));
    },
  };
}

/** Holding is proven only when nobody was left out of the last look; breaking is a fact without it. */
function withCoverage(
  answer: Answer,
  coverage: SessionCoverage | null,
  figure: (seen: SessionCoverage) => Omit<Figure, 'unit'>,
): Answer {
  if (coverage === null) return answer;
  const figures = [...(answer.figures ?? []), { ...figure(coverage), unit: 'ratio' as const }];
  return answer.verdict === 'pass' && coverage.gap !== null
    ? { ...answer, figures, verdict: 'unknown', reason: coverage.gap }
    : { ...answer, figures };
}

/** The sessions' own life cycle on record: what turn 3 later does for every action. */
export const lifeCycleOnce: Invariant = {
  id: 'life-cycle',
  statement: 'every acknowledged login and logout is on record exactly once',
  check(history) {
    const answers = Object.entries(DECIDED_BY).map(([operation, effect]) =>
      checkExactlyOnce({
        operations: operationsOf(history).filter(({ name }) => name === operation),
        effects: effectsOf(history).filter(({ name }) => name === effect),
      }),
    );
    return combined(answers);
  },
};

/** Operations whose outcome the platform's own record settles, and the record. */
const DECIDED_BY = { login: 'session-created', logout: 'session-revoked' } as const;

interface Seen {
  readonly findings: SessionFindings;
  readonly coverage: SessionCoverage | null;
}

function seenIn(history: readonly HistoryRecord[], { targets, lastLook }: SessionTargets): Seen {
  const { operations } = reconcile({
    operations: operationsOf(history),
    effects: effectsOf(history),
    decidedBy: DECIDED_BY,
    // A design may write its record late or not at all: what is absent from it stays unknown.
    settled: false,
  });
  const events = operations.flatMap(eventOf);
  const findings = checkSessions({
    events,
    mustHaveSeen: { targets, afterRevoke: PROBES_PER_TARGET, live: PROBES_PER_TARGET },
  });
  if (lastLook === undefined) return { findings, coverage: null };
  const phase = history.find((record) => record.kind === 'phase' && record.name === lastLook);
  const fromUs = phase?.kind === 'phase' ? phase.startUs : Number.POSITIVE_INFINITY;
  return { findings, coverage: sessionCoverage({ events, fromUs, targets }) };
}

function eventOf(operation: ReconciledOperation): SessionEvent[] {
  const { subject, name, outcome, status } = operation;
  if (subject === undefined) return [];
  // A 401 to a login is about its password, not about the session it was presented with.
  if (status === 401) return name === 'login' ? [] : [{ kind: 'refused', subject, operation }];
  // A login in a browser that is logged in replaces the presented session.
  if (name === 'logout' || name === 'login') return [{ kind: 'revoke', subject, operation }];
  return outcome === 'ok' ? [{ kind: 'accepted', subject, operation }] : [];
}

function operationsOf(history: readonly HistoryRecord[]): OperationRecord[] {
  return history.filter((record) => record.kind === 'op');
}

function effectsOf(history: readonly HistoryRecord[]): EffectRecord[] {
  return history.filter((record) => record.kind === 'effect');
}

function combined(answers: readonly Answer[]): Answer {
  const sum = (of: (answer: Answer) => number) => answers.reduce((all, one) => all + of(one), 0);
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
