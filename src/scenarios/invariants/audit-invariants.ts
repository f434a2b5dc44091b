/** Invariants about the audit log: they map the platform's operations and facts to the checkers' input. */

import { checkAudit } from '../../checkers/audit/check-audit.ts';
import { checkAuditAtomic } from '../../checkers/audit/check-audit-atomic.ts';
import { checkAuditChain } from '../../checkers/audit/check-audit-chain.ts';
import { checkAuditOrder } from '../../checkers/audit/check-audit-order.ts';
import {
  checkRecentView,
  type ViewItem,
  type ViewRead,
} from '../../checkers/audit/check-recent-view.ts';
import type { ArmRecord, FactRecord, HistoryRecord, OperationRecord } from '../../sim/history.ts';
import { faultWindows } from '../../sim/pure/faults/fault-windows.ts';
import type { Invariant } from '../../sim/scenario.ts';

/** Default page size of GET /activity (services/audit/routes.ts). */
const ACTIVITY_PAGE = 20;

export interface AuditExpectations {
  /** The logged action of each operation; an operation not named here may have any. */
  readonly actions?: Readonly<Record<string, string>>;
  /** With fewer answered denials, the verdict is unknown. */
  readonly denials?: number;
  /** Operations of known users that are refused before that is known: `audit-denials` has their number. */
  readonly counted?: readonly string[];
  /** Families of faults that stop PostgreSQL: meanwhile an event may wait in a local log. */
  readonly outageFaults?: readonly string[];
  /** Whether a phase of an arm overloads PostgreSQL on purpose, with the same effect. */
  readonly overloads?: (phase: string, arm: string | undefined) => boolean;
}

/** The action whose change is recorded as the fact `project`. */
const CREATES_PROJECT = 'project.create';

export function auditOnce({
  actions = {},
  denials = 0,
  counted = [],
}: AuditExpectations = {}): Invariant {
  return {
    id: 'audit-once',
    statement: 'every answered action of a known user is on record exactly once, as what it was',
    check: (history) =>
      checkAudit({
        operations: operationsOf(history).filter(({ name }) => !counted.includes(name)),
        rows: factsOf(history, 'audit'),
        windows: faultWindows(history),
        actionOf: ({ name }) => actions[name],
        mustHaveSeen: { denials },
      }),
  };
}

export const auditAtomic: Invariant = {
  id: 'audit-atomic',
  statement: 'a project is there if and only if its creation is on record, whatever was answered',
  check: (history) =>
    checkAuditAtomic({
      changes: factsOf(history, 'project'),
      records: factsOf(history, 'audit').filter(
        ({ facts }) => facts?.action === CREATES_PROJECT && facts.outcome === 'success',
      ),
    }),
};

export function auditOrder({ outageFaults = [], overloads }: AuditExpectations = {}): Invariant {
  return {
    id: 'audit-order',
    statement:
      'an action is on record before its answer, and after all that was answered before it was asked',
    check: (history) =>
      checkAuditOrder({
        operations: operationsOf(history),
        rows: factsOf(history, 'audit'),
        outages: faultWindows(history).filter(({ family }) => outageFaults.includes(family)),
        ...(overloads && {
          overloads: (phase: string) => overloads(phase, armOf(history)?.arm),
        }),
      }),
  };
}

export const auditChain: Invariant = {
  id: 'audit-chain',
  statement: 'the chain over the log verifies, holds every row without a gap, and is checkpointed',
  check: (history) =>
    checkAuditChain({
      // Denials are in the same shards, without a request of their own.
      rows: ['audit', 'audit-denials'].flatMap((name) => factsOf(history, name)),
      verifications: factsOf(history, 'audit-chain'),
    }),
};

export interface ActivityOptions {
  /** Name of the operation that reads the activity page. */
  readonly operation: string;
  /** The staleness the design promises. */
  readonly stalenessMs: number;
  /** A pass needs reads that would have shown a page of this age. */
  readonly seesAgeMs?: number;
}

export function activityCorrect({ operation, stalenessMs, seesAgeMs }: ActivityOptions): Invariant {
  return {
    id: 'activity-correct',
    statement: `recent activity shows every own action older than ${stalenessMs / 1_000} s, newest first, and never another user's`,
    check(history) {
      const operations = operationsOf(history);
      const facts = factsOf(history, 'audit');
      // A page has the platform's own request ids; the rows of the log say which operation each was.
      const causes = new Map(facts.map(({ id, requestId }) => [id, requestId]));
      return checkRecentView({
        reads: operations
          .filter((record) => record.name === operation)
          .flatMap((read) => parseActivityRead(read, causes)),
        operations,
        facts,
        stalenessUs: stalenessMs * 1_000,
        ...(seesAgeMs !== undefined && { seesAgeUs: seesAgeMs * 1_000 }),
      });
    },
  };
}

export const armOf = (history: readonly HistoryRecord[]): ArmRecord | undefined =>
  history.find((record) => record.kind === 'arm');

export function operationsOf(history: readonly HistoryRecord[]): OperationRecord[] {
  return history.filter((record) => record.kind === 'op');
}

export function factsOf(history: readonly HistoryRecord[], name: string): FactRecord[] {
  return history
    .filter((record) => record.kind === 'effect')
    .filter((record) => record.name === name);
}

interface ActivityBody {
  readonly items: readonly {
    readonly id: string;
    readonly userId: string;
    readonly occurredAt: string;
  }[];
}

/** A body that is not an activity page is a violation, so it is returned as another user's item. */
function parseActivityRead(
  operation: OperationRecord,
  causes: ReadonlyMap<string, string>,
): ViewRead[] {
  if (operation.outcome !== 'ok') return [];
  try {
    const { items } = JSON.parse(operation.body ?? '') as ActivityBody;
    const view = items.map(
      ({ id, userId, occurredAt }): ViewItem => ({
        id: String(id),
        user: String(userId),
        requestId: causes.get(String(id)) ?? '',
        occurredAtUs: parseMicros(occurredAt),
      }),
    );
    return [{ operation, items: view, pageSize: ACTIVITY_PAGE }];
  } catch {
    const unreadable = { id: 'unreadable', user: 'unreadable', requestId: '', occurredAtUs: 0 };
    return [{ operation, items: [unreadable], pageSize: ACTIVITY_PAGE }];
  }
}

/** ISO time with up to six decimals to Unix microseconds; Date alone truncates to milliseconds. */
export function parseMicros(iso: string): number {
  const fraction = /\.(\d{1,6})/.exec(iso)?.[1] ?? '';
  const seconds = Math.floor(Date.parse(iso) / 1_000);
  return seconds * 1_000_000 + Number(fraction.padEnd(6, '0') || 0);
}
