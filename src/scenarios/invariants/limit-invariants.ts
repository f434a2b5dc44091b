/**
 * Invariants about limits: they map the platform's operations to the checkers' input. Windows are parameters, so that
 * the same scenario runs with 60 s and with 2 s.
 */

import { checkDegraded } from '../../checkers/limits/check-degraded.ts';
import { type AgentRequest, checkFairShare } from '../../checkers/limits/check-fair-share.ts';
import { checkRetryAfter, type LimitedAnswer } from '../../checkers/limits/check-retry-after.ts';
import { checkWindow, type LimitEvent } from '../../checkers/limits/check-window.ts';
import { refusalsAreDue, windowIsExact } from '../../checkers/limits/window-verdicts.ts';
import type { HistoryRecord } from '../../sim/history.ts';
import type { Invariant } from '../../sim/scenario.ts';
import {
  clockOffset,
  type LimitedOperations,
  type LimitedRequest,
  selectLimitedRequests,
  toLimitEvents,
  withoutEvidence,
} from './limit-events.ts';
import { parseLimitFields } from './limit-evidence.ts';

export interface LimitedWindow extends LimitedOperations {
  readonly id?: string;
  /** Units in any window. */
  readonly limit: number | ((subject: string) => number);
  readonly windowMs: number;
  /** Only refusals by this policy count as refusals of this limit; default: any policy. */
  readonly policy?: string;
}

const limitOf = ({ limit }: LimitedWindow) => (typeof limit === 'number' ? () => limit : limit);
const limitText = ({ limit }: LimitedWindow) => (typeof limit === 'number' ? `${limit}` : 'N');

export function windowExact(given: LimitedWindow): Invariant {
  return {
    id: given.id ?? 'window-exact',
    statement: `never more than ${limitText(given)} admitted in any ${given.windowMs} ms`,
    check: (history) => judgeWindow(selectLimitedRequests(history, given), given),
  };
}

export function noFalseRefusals(given: LimitedWindow): Invariant {
  return {
    id: given.id ?? 'no-false-refusals',
    statement: 'nothing is refused that would have fitted its limit',
    check: (history) =>
      refusalsAreDue(windowFindingsOf(selectLimitedRequests(history, given), given)),
  };
}

/** Requests with a stolen key are bounded by the key's own limit, whatever names they use. */
export function stolenKeyBounded(given: LimitedWindow): Invariant {
  return {
    id: given.id ?? 'stolen-key-bounded',
    statement: `a stolen key gets at most ${limitText(given)} through in any ${given.windowMs} ms`,
    check(history) {
      const requests = selectLimitedRequests(history, given);
      const answer = judgeWindow(requests, given);
      const units = limitEventsOf(requests, given)
        .filter(({ kind }) => kind === 'admitted')
        .reduce((sum, { weight }) => sum + weight, 0);
      return {
        ...answer,
        figures: [
          ...(answer.figures ?? []),
          { id: 'stolen-admitted', label: 'units a stolen key got', value: units, unit: 'count' },
        ],
      };
    },
  };
}

export function retryAfterHonest(
  given: LimitedOperations & {
    readonly id?: string;
    readonly herd?: { readonly size: number; readonly ticks: number };
    readonly obeyed: number;
  },
): Invariant {
  return {
    id: given.id ?? 'retry-after-honest',
    statement: 'a client that waits as told is never refused, and no field promises what is not so',
    check: (history) =>
      checkRetryAfter({
        answers: selectLimitedRequests(history, given).map(toLimitedAnswer),
        ...(given.herd === undefined ? {} : { herd: given.herd }),
        mustHaveSeen: { obeyed: given.obeyed },
      }),
  };
}

export interface DegradedRules extends LimitedWindow {
  /** Names of the faults that stop the store. */
  readonly faults: readonly string[];
  /** Names of the service's processes. */
  readonly targets: readonly string[];
  /** Operations that verify credentials. They need no subject, because the limit need not count them. */
  readonly credentials: readonly string[];
  readonly factor?: number;
  readonly maxDecisionMs?: number;
  readonly maxRecoveryMs: number;
}

export function degradedBounded(given: DegradedRules): Invariant {
  const factor = given.factor ?? 1.1;
  const maxDecisionMs = given.maxDecisionMs ?? 50;
  return {
    id: given.id ?? 'degraded-bounded',
    statement:
      `without the store at most ${factor} times the limit is admitted, ` +
      `decided within ${maxDecisionMs} ms, and no credentials are taken`,
    check(history) {
      const limitedRequests = selectLimitedRequests(history, given);
      const credentialRequests = selectLimitedRequests(history, {
        operations: given.credentials,
        subjectOf: ({ requestId }) => `credentials ${requestId}`,
      });
      return checkDegraded({
        decisions: [
          ...limitedRequests.map((one) => toDegradedDecision(one, false)),
          ...credentialRequests.map((one) => toDegradedDecision(one, true)),
        ],
        outages: findOutages(history, given.faults),
        targets: given.targets,
        limitOf: (subject) => (subject.startsWith('credentials ') ? 1 : limitOf(given)(subject)),
        windowUs: given.windowMs * 1_000,
        maxFactor: factor,
        maxDecisionUs: maxDecisionMs * 1_000,
        maxRecoveryUs: given.maxRecoveryMs * 1_000,
      });
    },
  };
}

export interface FairShareRules {
  readonly id?: string;
  readonly operations?: readonly string[];
  /** The agent and its role; null if the operation does not use the shared key. */
  agentOf(operation: LimitedRequest['operation']): Pick<AgentRequest, 'agent' | 'role'> | null;
  weightOf?(operation: LimitedRequest['operation']): number;
  readonly limit: number;
  readonly windowMs: number;
  readonly jain?: number;
  /** Of its max-min share, for each honest agent. */
  readonly least?: number;
  readonly used?: number;
  /** In equal parts of the limit: all requests without an enrolled agent share one part. */
  readonly invented?: number;
  readonly mustHaveSeen: {
    readonly honest: number;
    readonly saturatedWindows: number;
    /** Honest agents that were refused: without one the limit divided nothing. */
    readonly contested: number;
  };
}

export function agentsFair(given: FairShareRules): Invariant {
  const { jain = 0.95, least = 0.75, used = 0.95, invented = 1.1 } = given;
  return {
    id: given.id ?? 'agents-fair',
    statement:
      `agents of one key get their max-min shares of it (Jain ${jain}, none below ${least * 100} %), ` +
      `${used * 100} % of it is used, and made up names gain nothing`,
    // An agent that a busy machine delays finds its share lent.
    dependsOnArrivals: true,
    check(history) {
      const requests = selectLimitedRequests(history, {
        ...given,
        subjectOf: (operation) => given.agentOf(operation)?.agent,
      });
      const offset = clockOffset(requests);
      return checkFairShare({
        requests: requests.map(({ operation, evidence, weight }) => ({
          ...given.agentOf(operation)!,
          requestId: operation.requestId,
          // Answers that a busy machine delays would come from another window than they were decided in.
          atUs: evidence?.mode === 'store' ? evidence.atUs - offset.minUs : operation.doneUs,
          weight,
          admitted: evidence?.admitted ?? operation.outcome === 'ok',
          isRetry: operation.retryOf !== undefined,
        })),
        limit: given.limit,
        windowUs: given.windowMs * 1_000,
        objectives: { jain, least, used, invented },
        mustHaveSeen: given.mustHaveSeen,
      });
    },
  };
}

function limitEventsOf(
  requests: readonly LimitedRequest[],
  { policy, windowMs }: LimitedWindow,
): LimitEvent[] {
  return toLimitEvents(requests, { policy, windowUs: windowMs * 1_000 });
}

function windowFindingsOf(requests: readonly LimitedRequest[], given: LimitedWindow) {
  const windowUs = given.windowMs * 1_000;
  return checkWindow({ events: limitEventsOf(requests, given), limitOf: limitOf(given), windowUs });
}

/** On the limiter's clock, and again on the client's: a limiter with a wrong clock has wrong evidence too. */
function judgeWindow(requests: readonly LimitedRequest[], given: LimitedWindow) {
  const answer = windowIsExact(windowFindingsOf(requests, given));
  if (answer.violations > 0) return answer;
  const byClientClock = windowIsExact(windowFindingsOf(withoutEvidence(requests), given));
  return byClientClock.violations > 0 ? byClientClock : answer;
}

function toLimitedAnswer({ operation, evidence, subject, weight }: LimitedRequest): LimitedAnswer {
  const { requestId, sentUs, doneUs, status, outcome, headers } = operation;
  const isAdmitted = evidence?.admitted ?? outcome === 'ok';
  const isRefused = status === 429;
  return {
    requestId,
    subject,
    weight,
    sentUs,
    // Without an answer, the decision may come at any time.
    doneUs: outcome === 'unknown' ? Number.POSITIVE_INFINITY : doneUs,
    kind: isRefused ? 'refused' : isAdmitted ? 'admitted' : 'possible',
    retryAfter: headers?.['retry-after'] ?? null,
    limits: parseLimitFields(operation).map((field) => ({
      ...field,
      refused: isRefused && (evidence?.refusedBy.includes(field.policy) ?? field.remaining === 0),
    })),
  };
}

function toDegradedDecision(
  { operation, evidence, subject, weight }: LimitedRequest,
  isCredential: boolean,
) {
  const { requestId, sentUs, doneUs, outcome, target = '' } = operation;
  return {
    requestId,
    subject,
    target,
    sentUs,
    doneUs,
    weight,
    credential: isCredential,
    admitted: isCredential ? outcome === 'ok' : (evidence?.admitted ?? outcome === 'ok'),
    mode: evidence?.mode ?? null,
    tookUs: evidence?.tookUs ?? null,
  };
}

/** From the instant a fault is applied until its undo is proven; without a proven undo, without end. */
function findOutages(history: readonly HistoryRecord[], names: readonly string[]) {
  const outages: { startUs: number; endUs: number }[] = [];
  const open = new Map<string, number>();
  for (const record of history) {
    if (record.kind !== 'fault' || !names.includes(record.name)) continue;
    if (record.event === 'apply') open.set(record.name, record.atUs);
    const startUs = open.get(record.name);
    if (record.event !== 'healed' || startUs === undefined) continue;
    outages.push({ startUs, endUs: record.atUs });
    open.delete(record.name);
  }
  for (const startUs of open.values()) outages.push({ startUs, endUs: Number.POSITIVE_INFINITY });
  return outages.sort((a, b) => a.startUs - b.startUs);
}
