/** Invariants about the audit log, in the platform's own shapes: they turn responses into what a checker reads. */
import type { EffectRecord, HistoryRecord, OperationRecord } from '../sim/history.ts';
import { checkExactlyOnce } from '../sim/pure/check-exactly-once.ts';
import { checkRecentView, type ViewItem, type ViewRead } from '../sim/pure/check-recent-view.ts';
import type { Invariant } from '../sim/scenario.ts';

/** Default page size of GET /activity (services/audit/routes.ts). */
const ACTIVITY_PAGE = 20;

export const auditOnce: Invariant = {
  id: 'audit-once',
  statement: 'every acknowledged action is audited exactly once, and nothing else is',
  check: (history) =>
    checkExactlyOnce({ operations: operationsOf(history), effects: auditEffects(history) }),
};

export interface ActivityOptions {
  /** Name of the operation that reads the activity page. */
  readonly operation: string;
  /** The staleness the design promises. */
  readonly stalenessMs: number;
}

export function activityCorrect({ operation, stalenessMs }: ActivityOptions): Invariant {
  return {
    id: 'activity-correct',
    statement: `recent activity shows every own action older than ${stalenessMs / 1_000} s, newest first, and never another user's`,
    check(history) {
      const operations = operationsOf(history);
      return checkRecentView({
        reads: operations.filter((record) => record.name === operation).flatMap(readOf),
        operations,
        effects: auditEffects(history),
        stalenessUs: stalenessMs * 1_000,
      });
    },
  };
}

function operationsOf(history: readonly HistoryRecord[]): OperationRecord[] {
  return history.filter((record) => record.kind === 'op');
}

function auditEffects(history: readonly HistoryRecord[]): EffectRecord[] {
  return history
    .filter((record) => record.kind === 'effect')
    .filter((record) => record.name === 'audit');
}

interface ActivityBody {
  readonly items: readonly {
    readonly id: string;
    readonly userId: string;
    readonly requestId: string;
    readonly occurredAt: string;
  }[];
}

/** An answered read as a view; a body that is not an activity page is a violation, so it becomes a foreign item. */
function readOf(operation: OperationRecord): ViewRead[] {
  if (operation.outcome !== 'ok') return [];
  try {
    const { items } = JSON.parse(operation.body ?? '') as ActivityBody;
    const view = items.map(
      ({ id, userId, requestId, occurredAt }): ViewItem => ({
        id: String(id),
        user: String(userId),
        requestId,
        occurredAtUs: microsOf(occurredAt),
      }),
    );
    return [{ operation, items: view, pageSize: ACTIVITY_PAGE }];
  } catch {
    const unreadable = { id: 'unreadable', user: 'unreadable', requestId: '', occurredAtUs: 0 };
    return [{ operation, items: [unreadable], pageSize: ACTIVITY_PAGE }];
  }
}

/** ISO time with up to six decimals to Unix microseconds; Date alone would cut to milliseconds. */
export function microsOf(iso: string): number {
  const fraction = /\.(\d{1,6})/.exec(iso)?.[1] ?? '';
  const seconds = Math.floor(Date.parse(iso) / 1_000);
  return seconds * 1_000_000 + Number(fraction.padEnd(6, '0') || 0);
}
