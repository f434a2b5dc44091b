/** Invariants about every level of a limit, about requests at one time, about what is given back, and about who is served. */
import {
  type LevelRefusal,
  levelRefusalsAreDue,
  levelsAreExact,
} from '../../checkers/limits/check-levels.ts';
import { checkRefunds } from '../../checkers/limits/check-refunds.ts';
import { checkRemaining } from '../../checkers/limits/check-remaining.ts';
import { checkServed } from '../../checkers/limits/check-served.ts';
import { checkSlots, type SlotRequest } from '../../checkers/limits/check-slots.ts';
import type { OperationRecord } from '../../sim/history.ts';
import type { Invariant } from '../../sim/scenario.ts';
import { DECIDED_WITHIN_US, selectLimitedRequests } from './limit-events.ts';
import { parseLimitFields } from './limit-evidence.ts';
import {
  type DecidedOperations,
  type LeveledOperations,
  readDecisions,
  toLevelEvents,
} from './limit-level-events.ts';

export interface LevelRules extends LeveledOperations {
  /** Policies that must have refused somebody, or the verdict is unknown. */
  readonly mustBind: readonly string[];
}

export const levelsExact = (given: LevelRules): Invariant => ({
  id: 'levels-exact',
  statement: 'no level admits more units than its limit in any window, whatever a request costs',
  check: (history) => levelsAreExact(toLevelEvents(readDecisions(history), given), given.mustBind),
});

export const levelRefusals = (given: LevelRules): Invariant => ({
  id: 'level-refusals',
  statement: 'a refusal names levels that were full, and takes nothing at any other',
  check(history) {
    const decided = readDecisions(history);
    return levelRefusalsAreDue(
      toLevelEvents(decided, given),
      refusalsOf(decided, given),
      given.mustBind,
    );
  },
});

export const remainingExact = (
  given: LeveledOperations & { readonly mustSay: readonly string[] },
): Invariant => ({
  id: 'remaining-exact',
  statement: 'what an answer says is left falls by what was taken, at every level',
  check: (history) =>
    checkRemaining({
      events: toLevelEvents(readDecisions(history), given),
      mustSay: given.mustSay,
    }),
});

export const refundsGiven = (
  given: LeveledOperations & {
    readonly policies: readonly string[];
    /** Policies of which more must have been given back in one window than the limit has. */
    readonly mustExceed: readonly string[];
  },
): Invariant => ({
  id: 'refunds-given',
  statement: 'a login that succeeds, or is refused by its account, costs its address nothing',
  check: (history) =>
    checkRefunds({
      events: toLevelEvents(readDecisions(history), given).filter(({ policy }) =>
        given.policies.includes(policy),
      ),
      mustExceed: given.mustExceed,
    }),
});

function refusalsOf(
  { requests }: DecidedOperations,
  { levelsOf, otherPoliciesOf = () => [] }: LeveledOperations,
): LevelRefusal[] {
  return requests.flatMap(({ operation, evidence }) => {
    if (operation.status !== 429) return [];
    const levels = levelsOf(operation);
    if (levels === null || levels.length === 0) return [];
    const exhausted = parseLimitFields(operation).filter(({ remaining }) => remaining === 0);
    return [
      {
        requestId: operation.requestId,
        refusedBy: evidence?.refusedBy ?? exhausted.map(({ policy }) => policy),
        policies: [...levels.map(({ policy }) => policy), ...otherPoliciesOf(operation)],
      },
    ];
  });
}

export interface SlotRules {
  readonly policy: string;
  readonly limit: number;
  /** Names of the operations that take a slot. */
  readonly operations: readonly string[];
  subjectOf(operation: OperationRecord): string;
  /**
   * Names of operations that all take the same time: none holds its slot for less than half of the shortest time in which
   * one was answered.
   */
  readonly alike: readonly string[];
  /** A slot is free this long after the answer, at the latest. */
  readonly freeWithinMs: number;
  /** A slot whose release was lost is free this long after it was taken. */
  readonly slotTtlMs: number;
  readonly mustHaveSeen: { readonly refused: number };
}

export const slotsReturned = (given: SlotRules): Invariant => ({
  id: 'slots-returned',
  statement: `never more than ${given.limit} searches of a user at one time, and one that ends lets the next one in`,
  check: (history) =>
    checkSlots({
      requests: toSlotRequests(readDecisions(history), given),
      limit: given.limit,
      mustHaveSeen: given.mustHaveSeen,
    }),
});

function toSlotRequests(decided: DecidedOperations, given: SlotRules): SlotRequest[] {
  const { offset } = decided;
  const own = decided.requests.filter(({ operation }) => given.operations.includes(operation.name));
  const heldUs = shortestHoldUs(own, decided, given);
  return own.flatMap(({ operation, evidence }): SlotRequest[] => {
    const { requestId, name, sentUs, doneUs, outcome } = operation;
    const lateUs = outcome === 'unknown' ? DECIDED_WITHIN_US : 0;
    const isLost = outcome === 'unknown' || decided.mayHaveLostStore(operation);
    const keptMs = isLost ? given.slotTtlMs : given.freeWithinMs;
    const common = {
      requestId,
      subject: given.subjectOf(operation),
      freeUs: doneUs + lateUs + offset.maxUs + keptMs * 1_000,
    };
    const whole = { fromUs: sentUs + offset.minUs, toUs: doneUs + lateUs + offset.maxUs };
    if (evidence?.mode !== 'store')
      return [{ ...common, ...whole, kind: 'possible', heldUs: 0, remaining: null }];
    const { admitted, refusedBy, atUs } = evidence;
    // Refused by another level only: it neither took a slot nor lacked one.
    if (!admitted && !refusedBy.includes(given.policy)) return [];
    const field = parseLimitFields(operation).find(({ policy }) => policy === given.policy);
    return [
      {
        ...common,
        kind: admitted ? 'admitted' : 'refused',
        fromUs: atUs,
        toUs: atUs,
        heldUs: admitted && outcome === 'ok' && given.alike.includes(name) ? heldUs : 0,
        remaining: field?.remaining ?? null,
      },
    ];
  });
}

function shortestHoldUs(
  own: DecidedOperations['requests'],
  { offset }: DecidedOperations,
  { alike }: SlotRules,
): number {
  const tookUs = own.flatMap(({ operation, evidence }) =>
    evidence?.mode === 'store' && operation.outcome === 'ok' && alike.includes(operation.name)
      ? [operation.doneUs + offset.minUs - evidence.atUs]
      : [],
  );
  return tookUs.length === 0 ? 0 : Math.max(0, Math.floor(Math.min(...tookUs) / 2));
}

export const modestServed = (given: {
  readonly id: string;
  readonly statement: string;
  readonly operations: readonly string[];
  readonly phases: readonly string[];
  weightOf(operation: OperationRecord): number;
  readonly admitted: number;
}): Invariant => ({
  id: given.id,
  statement: given.statement,
  check: (history) =>
    checkServed(
      selectLimitedRequests(history, {
        operations: given.operations,
        subjectOf: ({ phase, user }) => (given.phases.includes(phase) ? user : undefined),
        weightOf: given.weightOf,
      }).map(({ operation, evidence, subject, weight }) => ({
        requestId: operation.requestId,
        client: subject,
        weight,
        outcome:
          operation.status === 429
            ? 'refused'
            : operation.outcome === 'ok'
              ? 'admitted'
              : 'unknown',
        refusedBy: evidence?.refusedBy ?? [],
      })),
      { admitted: given.admitted },
    ),
});
