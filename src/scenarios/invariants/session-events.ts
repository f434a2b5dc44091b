/**
 * Maps the platform's operations and facts to the session checkers' input: uses, refusals and ends of each session, its
 * idle and absolute end, and what each login should have answered.
 */

import type { LoginAttempt } from '../../checkers/sessions/check-logins.ts';
import {
  absoluteExpiries,
  idleExpiries,
  type SessionLife,
  type SessionUse,
} from '../../checkers/sessions/expiries.ts';
import { type ReconciledOperation, reconcile } from '../../checkers/sessions/reconcile.ts';
import { type StartedSession, toRevocationEvents } from '../../checkers/sessions/revocations.ts';
import type { SessionEvent, SessionExpiry } from '../../checkers/sessions/session-event.ts';
import type { SessionsDesign } from '../../services/design.ts';
import { findDesign } from '../../services/lineage.ts';
import type { FactRecord, HistoryRecord, OperationRecord } from '../../sim/history.ts';
import { verbOf } from './session-verbs.ts';

export type Timeouts = Pick<SessionsDesign, 'idleTimeoutMs' | 'absoluteTimeoutMs'> & {
  /** A use is written down at most this often, and this much later. */
  readonly touchEveryMs: number;
  readonly touchWithinMs: number;
};

/** For the rounding of times, and for processes whose clocks are not the same to the millisecond. */
const CLOCK_TOLERANCE_US = 50_000;

export interface SessionHistoryView {
  readonly events: readonly SessionEvent[];
  readonly absolute: readonly SessionExpiry[];
  readonly idle: readonly SessionExpiry[];
}

/** The fact that an operation on one session records. */
export const RECORDED_AS = {
  login: 'session-created',
  logout: 'session-revoked',
  'log out': 'session-revoked',
  renew: 'session-rotated',
  'renew aged': 'session-rotated',
} as const;

export function operationsOf(history: readonly HistoryRecord[]): OperationRecord[] {
  return history.filter((record) => record.kind === 'op');
}

export function factsOf(history: readonly HistoryRecord[]): FactRecord[] {
  return history.filter((record) => record.kind === 'effect');
}

/** `timeouts`: default those of the arm's design. */
export function viewSessions(
  history: readonly HistoryRecord[],
  timeouts: Timeouts | null = null,
): SessionHistoryView {
  const facts = factsOf(history);
  const { operations } = reconcile({
    operations: operationsOf(history),
    facts,
    recordedAs: RECORDED_AS,
    // A design may record late or not at all, so an absent fact proves nothing.
    isRecordFinal: false,
  });
  const events = toSessionEvents(operations, sessionsOfUsers(operations, facts));
  return { events, ...findExpiries(history, operations, timeouts) };
}

function toSessionEvents(
  operations: readonly ReconciledOperation[],
  sessionsOf: ReadonlyMap<string, readonly UserSession[]>,
): SessionEvent[] {
  return operations.flatMap((operation) => {
    const { subject, name: verb, outcome, status, user } = operation;
    if (subject === undefined) return [];
    const { ends, withoutProof, refusesOther, changesPassword } = verbOf(verb);
    if (status === 401)
      return refusesOther ? [] : [{ kind: 'refused' as const, subject, operation }];
    const events: SessionEvent[] = [];
    if (outcome === 'ok' && !withoutProof) events.push({ kind: 'accepted', subject, operation });
    if (ends === undefined) return events;
    if (ends !== 'others') events.push({ kind: 'revoke', verb, subject, operation });
    if (ends === 'own') return events;
    const others = (sessionsOf.get(user) ?? [])
      .filter((one) => one.subject !== subject && one.openedBy !== operation.requestId)
      .map((one) => ({ ...one, provesOrder: changesPassword === true && one.password === 'old' }));
    for (const event of toRevocationEvents(operation, others)) events.push({ ...event, verb });
    return events;
  });
}

interface UserSession extends StartedSession {
  /** Request id; empty if it existed before the load. */
  readonly openedBy: string;
  readonly password: string | undefined;
}

/**
 * The sessions that clients used, by user. One that no operation is known to have opened existed before the load, or its
 * record is lost: its client held it when it first used it.
 */
function sessionsOfUsers(
  operations: readonly OperationRecord[],
  facts: readonly FactRecord[],
): ReadonlyMap<string, readonly UserSession[]> {
  const byRequest = new Map(operations.map((operation) => [operation.requestId, operation]));
  const openedBy = new Map<string, OperationRecord>();
  for (const { name, subject = '', requestId } of facts) {
    const operation = name === 'session-created' ? byRequest.get(requestId) : undefined;
    if (operation?.outcome === 'ok') openedBy.set(subject, operation);
  }
  const seen = new Set<string>();
  const sessions = new Map<string, UserSession[]>();
  for (const { subject, user, sentUs } of operations.toSorted((a, b) => a.sentUs - b.sentUs)) {
    if (subject === undefined || sentUs < 0 || seen.has(subject)) continue;
    seen.add(subject);
    const opening = openedBy.get(subject);
    const session = {
      subject,
      began: opening ?? { sentUs: Number.NEGATIVE_INFINITY, doneUs: sentUs },
      openedBy: opening?.requestId ?? '',
      password: opening && verbOf(opening.name).password,
    };
    const ofUser = sessions.get(user);
    if (ofUser === undefined) sessions.set(user, [session]);
    else ofUser.push(session);
  }
  return sessions;
}

function findExpiries(
  history: readonly HistoryRecord[],
  operations: readonly ReconciledOperation[],
  given: Timeouts | null,
): Pick<SessionHistoryView, 'absolute' | 'idle'> {
  const arm = history.find((record) => record.kind === 'arm');
  const timeouts =
    given ?? (arm?.kind === 'arm' ? timeoutsOf(findDesign(arm.design).sessions) : null);
  const facts = factsOf(history);
  const offset = clockOffset(operations, facts);
  if (timeouts === null || offset === null) return { absolute: [], idle: [] };
  const lives = livesOf(operations, facts, {
    offsetUs: (offset.minUs + offset.maxUs) / 2,
    absoluteUs: timeouts.absoluteTimeoutMs * 1_000,
  });
  const rules = {
    idleUs: timeouts.idleTimeoutMs * 1_000,
    writtenEveryUs: timeouts.touchEveryMs * 1_000,
    writtenWithinUs: timeouts.touchWithinMs * 1_000,
    toleranceUs: CLOCK_TOLERANCE_US + (offset.maxUs - offset.minUs) / 2,
  };
  const lastUs = operations.reduce((last, { doneUs }) => Math.max(last, doneUs), 0);
  // A session whose end is near may not be used any more.
  const isInRun = ({ fromUs }: SessionExpiry) => fromUs < lastUs + 1_000_000;
  const unused = lives.filter(({ usedUs }) => usedUs !== null && usedUs + rules.idleUs < lastUs);
  return {
    absolute: absoluteExpiries(lives, rules).filter(isInRun),
    idle: idleExpiries(unused, usesOf(operations), rules).filter(isInRun),
  };
}

/** A design in Redis alone has a TTL from the login as its absolute timeout, and the same idle timeout to honour. */
function timeoutsOf({ store, ...design }: SessionsDesign): Timeouts {
  return {
    ...design,
    absoluteTimeoutMs: store.kind === 'redis-ttl' ? store.ttlMs : design.absoluteTimeoutMs,
    touchEveryMs: store.kind === 'read-through' ? store.touchEveryMs : 0,
    // Batches are written once a second.
    touchWithinMs: store.kind === 'read-through' ? 2_000 : 0,
  };
}

/**
 * Bounds of what the platform's clock is ahead of the client's: what an answered request recorded happened between its
 * sending and its answer. Null without such a record.
 */
function clockOffset(
  operations: readonly ReconciledOperation[],
  facts: readonly FactRecord[],
): { minUs: number; maxUs: number } | null {
  const byRequest = new Map(operations.map((operation) => [operation.requestId, operation]));
  let minUs = Number.NEGATIVE_INFINITY;
  let maxUs = Number.POSITIVE_INFINITY;
  for (const { name, requestId, occurredAtUs } of facts) {
    const operation = name.startsWith('session-') ? byRequest.get(requestId) : undefined;
    if (operation?.outcome !== 'ok' || operation.reconciled) continue;
    minUs = Math.max(minUs, occurredAtUs - operation.doneUs);
    // Times are whole milliseconds, rounded down.
    maxUs = Math.min(maxUs, occurredAtUs + 1_000 - operation.sentUs);
  }
  if (minUs === Number.NEGATIVE_INFINITY) return null;
  // If the clocks drift, the bounds cross: then it may be anything between them.
  return { minUs: Math.min(minUs, maxUs), maxUs: Math.max(minUs, maxUs) };
}

/** Of the sessions whose beginning is on record; a renewal keeps the absolute end. */
function livesOf(
  operations: readonly OperationRecord[],
  facts: readonly FactRecord[],
  { offsetUs, absoluteUs }: { offsetUs: number; absoluteUs: number },
): readonly SessionLife[] {
  const renewals = new Map(
    operations
      .filter(({ name }) => verbOf(name).renews)
      .map(({ requestId, subject = '' }) => [requestId, subject]),
  );
  const lives = new Map<string, SessionLife>();
  for (const { name, requestId, subject = '', occurredAtUs, facts: more } of facts.toSorted(
    (a, b) => a.occurredAtUs - b.occurredAtUs,
  )) {
    if (name !== 'session-created' && name !== 'session-seeded') continue;
    const beganUs = occurredAtUs - offsetUs;
    const renewed = renewals.get(requestId);
    const endsUs =
      renewed === undefined ? beganUs + absoluteUs : (lives.get(renewed)?.endsUs ?? null);
    // Of one that was made with its absolute end near, the last use is not on record.
    const usedUs = more?.ending === 'absolute' ? null : beganUs;
    lives.set(subject, { subject, endsUs, usedUs });
  }
  return [...lives.values()];
}

function* usesOf(operations: readonly OperationRecord[]): Iterable<SessionUse> {
  for (const { subject, name, sentUs, doneUs, status, outcome } of operations) {
    if (subject === undefined || sentUs < 0 || status === 401) continue;
    if (outcome === 'fail' && status !== 429 && status !== 403) continue;
    const isCertain = outcome === 'ok' && !verbOf(name).withoutProof;
    yield { subject, sentUs, doneUs, isCertain };
  }
}

/** What each login should have answered, by what had happened to its account. */
export function loginAttempts(history: readonly HistoryRecord[]): readonly LoginAttempt[] {
  const operations = operationsOf(history);
  const changes = new Map<string, OperationRecord[]>();
  for (const operation of operations) {
    const { changesPassword, disablesUser } = verbOf(operation.name);
    if (!(changesPassword || disablesUser) || operation.outcome === 'fail') continue;
    const ofUser = changes.get(operation.user);
    if (ofUser === undefined) changes.set(operation.user, [operation]);
    else ofUser.push(operation);
  }
  return operations.flatMap((operation) => {
    const { password } = verbOf(operation.name);
    if (password === undefined) return [];
    return [{ operation, expected: expectedOf(operation, changes.get(operation.user) ?? []) }];
  });
}

function expectedOf(
  login: OperationRecord,
  changes: readonly OperationRecord[],
): LoginAttempt['expected'] {
  const { password } = verbOf(login.name);
  if (password === 'wrong') return 'refused';
  const states = changes.map((change) => ({ change, state: stateAt(change, login) }));
  const has = (what: 'disablesUser' | 'changesPassword', state: ReturnType<typeof stateAt>) =>
    states.some((one) => verbOf(one.change.name)[what] && one.state === state);
  if (has('disablesUser', 'done')) return 'refused';
  const isChanged = has('changesPassword', 'done');
  const mayChange = has('changesPassword', 'open');
  if (password === 'old' ? isChanged : !isChanged && !mayChange) return 'refused';
  return mayChange || has('disablesUser', 'open') ? 'either' : 'accepted';
}

/** Whether a change had happened when the login was sent; `open` if it ran beside it or its outcome is unknown. */
function stateAt(change: OperationRecord, { sentUs, doneUs }: OperationRecord) {
  if (change.sentUs > doneUs) return 'not yet';
  return change.outcome === 'ok' && change.doneUs < sentUs ? 'done' : 'open';
}
