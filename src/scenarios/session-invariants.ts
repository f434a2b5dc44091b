/** Invariants about sessions, in the platform's own shapes: they turn the turn's operations into what a checker reads. */
import type { EffectRecord, HistoryRecord, OperationRecord } from '../sim/history.ts';
import { checkExactlyOnce } from '../sim/pure/check-exactly-once.ts';
import {
  checkSessions,
  type SessionEvent,
  type SessionFindings,
} from '../sim/pure/check-sessions.ts';
import { type ReconciledOperation, reconcile } from '../sim/pure/reconcile.ts';
import { logoutIsFinal, sessionsAreKept } from '../sim/pure/session-verdicts.ts';
import type { InvariantResult } from '../sim/result.ts';
import type { Invariant } from '../sim/scenario.ts';

type Answer = Omit<InvariantResult, 'id' | 'statement'>;

/** Fewer probes on one process than this say nothing about it. */
const PROBES_PER_TARGET = 50;

export interface SessionTargets {
  /** Processes of the service by name: a verdict needs probes on each of them. */
  readonly targets: readonly string[];
}

export function logoutFinal({ targets }: SessionTargets): Invariant {
  return {
    id: 'logout-final',
    statement: 'no request that starts after a logout was acknowledged is accepted, by any gateway',
    check: (history) => logoutIsFinal(findingsOf(history, targets)),
  };
}

export function sessionsSurvive({ targets }: SessionTargets): Invariant {
  return {
    id: 'sessions-survive',
    statement: 'nobody is logged out who did not ask for it',
    check: (history) => sessionsAreKept(findingsOf(history, targets)),
  };
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

function findingsOf(
  history: readonly HistoryRecord[],
  targets: readonly string[],
): SessionFindings {
  const effects = effectsOf(history);
  const { operations } = reconcile({
    operations: operationsOf(history),
    effects,
    decidedBy: DECIDED_BY,
    // A design that keeps no record settles nothing.
    settled: effects.some(({ name }) => name === DECIDED_BY.logout),
  });
  return checkSessions({
    events: operations.flatMap(eventOf),
    mustHaveSeen: { targets, afterRevoke: PROBES_PER_TARGET, live: PROBES_PER_TARGET },
  });
}

function eventOf(operation: ReconciledOperation): SessionEvent[] {
  const { subject, name, outcome, status } = operation;
  if (subject === undefined) return [];
  if (status === 401) return [{ kind: 'refused', subject, operation }];
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
