/**
 * Recent activity of turn 4's before: every request reads the user's whole history, all columns, and sorts it in the
 * process. The statement is the one the incident report quotes; this is the defect of the turn.
 */
import type { Database } from '../../ports.ts';
import type { Activity, ActivityItem } from '../contract.ts';
import { requirePosition } from '../cursor.ts';
import { compareNewestFirst, isoFromPostgres, pageOf } from '../policy.ts';

interface Row {
  readonly id: string;
  readonly user_id: string;
  readonly occurred_at: string;
  readonly action: string;
  readonly resource_type: string;
  readonly resource_id: string | null;
  readonly outcome: string;
  readonly request_id: string;
}

const toItem = (row: Row): ActivityItem => ({
  id: row.id,
  userId: row.user_id,
  action: row.action,
  resourceType: row.resource_type,
  resourceId: row.resource_id,
  outcome: row.outcome,
  occurredAt: isoFromPostgres(row.occurred_at),
  requestId: row.request_id,
});

export function createEveryResponseActivity(given: { db: Database; items: number }): Activity {
  const wholeHistory = async (userId: string): Promise<ActivityItem[]> => {
    const rows = await given.db.query<Row>({
      name: 'activity-everything',
      text: 'SELECT * FROM audit_logs WHERE user_id = $1',
      values: [userId],
    });
    return rows.map(toItem).sort(compareNewestFirst);
  };

  return {
    async recent(userId, { cursor, limit }) {
      const position = cursor === null ? null : requirePosition(cursor);
      const all = await wholeHistory(userId);
      const rest = position ? all.filter((item) => compareNewestFirst(item, position) > 0) : all;
      return pageOf(rest, limit);
    },
    async forEveryResponse(userId) {
      return (await wholeHistory(userId)).slice(0, given.items);
    },
  };
}
