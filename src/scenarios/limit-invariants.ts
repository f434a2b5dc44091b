/**
 * Invariants about limits, in the platform's own shapes. Factories that take plain numbers: windows are data, so
 * that the same scenario runs with 60 s and with 2 s.
 */

import { checkDegraded } from '../checkers/limits/check-degraded.ts';
import { type AgentRequest, checkFairShare } from '../checkers/limits/check-fair-share.ts';
import { checkRetryAfter, type LimitedAnswer } from '../checkers/limits/check-retry-after.ts';
import { checkWindow, type LimitEvent } from '../checkers/limits/check-window.ts';
import { refusalsAreDue, windowIsExact } from '../checkers/limits/window-verdicts.ts';
import type { HistoryRecord } from '../sim/history.ts';
import type { Invariant } from '../sim/scenario.ts';
import {
  type Judged,
  judgedOf,
  type Limited,
  limitEventsOf,
  withoutEvidence,
} from './limit-events.ts';
import { limitFieldsOf } from './limit-evidence.ts';

export interface LimitedWindow extends Limited {
  readonly id?: string;
  /** Units in any window. */
  readonly limit: number | ((subject: string) => number);
  readonly windowMs: number;
  /** Only refusals by this policy are refusals of this limit; default by any. */
  readonly policy?: string;
}

const limitOf = ({ limit }: LimitedWindow) => (typeof limit === 'number' ? () => limit : limit);
const limitText = ({ limit }: LimitedWindow) => (typeof limit === 'number' ? `${limit}` : 'N');

export function windowExact(given: LimitedWindow): Invariant {
  return {
    id: given.id ?? 'window-exact',
    statement: `never more than ${limitText(given)} admitted in any ${given.windowMs} ms`,
    check: (history) => exactIn(judgedOf(history, given), given),
  };
}

export function noFalseRefusals(given: LimitedWindow): Invariant {
  return {
    id: given.id ?? 'no-false-refusals',
    statement: 'nothing is refused that would have fitted its limit',
    check: (history) => refusalsAreDue(findingsOf(judgedOf(history, given), given)),
  };
}

/** What a stolen key gets through: bounded by the key's own limit, whoever uses it and how. */
export function stolenKeyBounded(given: LimitedWindow): Invariant {
  return {
    id: given.id ?? 'stolen-key-bounded',
    statement: `a stolen key gets at most ${limitText(given)} through in any ${given.windowMs} ms`,
    check(history) {
      const judged = judgedOf(history, given);
      const answer = exactIn(judged, given);
      const units = eventsOf(judged, given)
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
  given: Limited & {
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
        answers: judgedOf(history, given).map(answerOf),
        ...(given.herd === undefined ? {} : { herd: given.herd }),
        mustHaveSeen: { obeyed: given.obeyed },
      }),
  };
}

export interface DegradedRules extends LimitedWindow {
  /** Names of the faults that take the store away. */
  readonly faults: readonly string[];
  /** Processes of the service by name. */
  readonly targets: readonly string[];
  /** Operations that guard credentials. They need no subject: they may be no part of the limit. */
  readonly credentials: readonly string[];
  readonly factor?: number;
  readonly tookLimitMs?: number;
  readonly backWithinMs: number;
}

export function degradedBounded(given: DegradedRules): Invariant {
  const factor = given.factor ?? 1.1;
  const tookLimitMs = given.tookLimitMs ?? 50;
  return {
    id: given.id ?? 'degraded-bounded',
    statement:
      `without the store at most ${factor} times the limit is admitted, ` +
      `decided within ${tookLimitMs} ms, and no credentials are taken`,
    check(history) {
      const open = judgedOf(history, given);
      const guards = judgedOf(history, {
        operations: given.credentials,
        subjectOf: ({ requestId }) => `credentials ${requestId}`,
      });
      return checkDegraded({
        decisions: [
          ...open.map((one) => degradedOf(one, false)),
          ...guards.map((one) => degradedOf(one, true)),
        ],
        outages: outagesIn(history, given.faults),
        targets: given.targets,
        limitOf: (subject) => (subject.startsWith('credentials ') ? 1 : limitOf(given)(subject)),
        windowUs: given.windowMs * 1_000,
        factor,
        tookLimitUs: tookLimitMs * 1_000,
        backWithinUs: given.backWithinMs * 1_000,
      });
    },
  };
}

export interface FairAgents {
  readonly id?: string;
  readonly operations?: readonly string[];
  /** Who asked, and as what; null: nobody who shares the key. */
  agentOf(operation: Judged['operation']): Pick<AgentRequest, 'agent' | 'role'> | null;
  weightOf?(operation: Judged['operation']): number;
  readonly limit: number;
  readonly windowMs: number;
  readonly jain?: number;
  readonly used?: number;
  /** In even parts of the limit: all who show no enrolment share one place. */
  readonly invented?: number;
  readonly mustHaveSeen: { readonly honest: number; readonly saturatedWindows: number };
}

export function agentsFair(given: FairAgents): Invariant {
  const { jain = 0.95, used = 0.95, invented = 1.1 } = given;
  return {
    id: given.id ?? 'agents-fair',
    statement: `agents of one key get even parts of it (Jain ${jain}), ${used * 100} % of it is used, and made up names gain nothing`,
    check(history) {
      const judged = judgedOf(history, {
        ...given,
        subjectOf: (operation) => given.agentOf(operation)?.agent,
      });
      return checkFairShare({
        requests: judged.map(({ operation, evidence, weight }) => ({
          ...given.agentOf(operation)!,
          ...{ requestId: operation.requestId, atUs: operation.doneUs, weight },
          admitted: evidence?.admitted ?? operation.outcome === 'ok',
        })),
        limit: given.limit,
        windowUs: given.windowMs * 1_000,
        objectives: { jain, used, invented },
        mustHaveSeen: given.mustHaveSeen,
      });
    },
  };
}

function eventsOf(judged: readonly Judged[], { policy, windowMs }: LimitedWindow): LimitEvent[] {
  return limitEventsOf(judged, { policy, windowUs: windowMs * 1_000 });
}

function findingsOf(judged: readonly Judged[], given: LimitedWindow) {
  const windowUs = given.windowMs * 1_000;
  return checkWindow({ events: eventsOf(judged, given), limitOf: limitOf(given), windowUs });
}

/** By the limiter's clock, and once more by the client's: a limiter that errs about the time errs in its evidence too. */
function exactIn(judged: readonly Judged[], given: LimitedWindow) {
  const answer = windowIsExact(findingsOf(judged, given));
  if (answer.violations > 0) return answer;
  const outside = windowIsExact(findingsOf(withoutEvidence(judged), given));
  return outside.violations > 0 ? outside : answer;
}

function answerOf({ operation, evidence, subject, weight }: Judged): LimitedAnswer {
  const { requestId, sentUs, doneUs, status, outcome, headers } = operation;
  const definite = evidence?.admitted ?? outcome === 'ok';
  const refused = status === 429;
  return {
    ...{ requestId, subject, weight, sentUs },
    // One that never answered may be decided at any time.
    doneUs: outcome === 'unknown' ? Number.POSITIVE_INFINITY : doneUs,
    kind: refused ? 'refused' : definite ? 'admitted' : 'possible',
    retryAfter: headers?.['retry-after'] ?? null,
    limits: limitFieldsOf(operation).map((field) => ({
      ...field,
      refused: refused && (evidence?.by.includes(field.policy) ?? field.remaining === 0),
    })),
  };
}

function degradedOf({ operation, evidence, subject, weight }: Judged, credential: boolean) {
  const { requestId, sentUs, doneUs, outcome, target = '' } = operation;
  return {
    ...{ requestId, subject, target, sentUs, doneUs, weight, credential },
    admitted: credential ? outcome === 'ok' : (evidence?.admitted ?? outcome === 'ok'),
    mode: evidence?.mode ?? null,
    tookUs: evidence?.tookUs ?? null,
  };
}

/** From the moment a fault is applied until its undo is proven; one that never ended ends nowhere. */
function outagesIn(history: readonly HistoryRecord[], names: readonly string[]) {
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
