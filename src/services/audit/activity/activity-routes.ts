/** Recent activity over HTTP. */
import type { JsonSchema, Route } from '../../route.ts';
import type { Activity } from '../contract.ts';

export const activityItem: JsonSchema = {
  type: 'object',
  required: ['id', 'userId', 'action', 'resourceType', 'outcome', 'occurredAt', 'requestId'],
  properties: {
    id: { type: 'string' },
    userId: { type: 'string' },
    action: { type: 'string' },
    resourceType: { type: 'string' },
    resourceId: { type: 'string', nullable: true },
    outcome: { type: 'string', enum: ['success', 'denied', 'failure'] },
    occurredAt: { type: 'string', description: 'UTC with microseconds.' },
    requestId: { type: 'string' },
  },
};

export function activityRoutes(activity: Activity): readonly Route[] {
  return [
    {
      method: 'GET',
      url: '/activity',
      summary: 'Your recent activity, newest first',
      access: 'session-or-key',
      action: 'activity.read',
      resourceType: 'activity',
      onAuditDown: 'local-log',
      query: {
        type: 'object',
        additionalProperties: false,
        properties: {
          cursor: { type: 'string', maxLength: 100 },
          limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
        },
      },
      responses: {
        200: {
          type: 'object',
          required: ['items', 'next'],
          properties: {
            items: { type: 'array', items: activityItem },
            next: { type: 'string', nullable: true, description: 'Cursor of the next page.' },
          },
        },
      },
      async handle({ userId, query }) {
        const cursor = (query.cursor as string | undefined) ?? null;
        const page = await activity.recent(userId, { cursor, limit: Number(query.limit) });
        return { status: 200, body: { ...page } };
      },
    },
  ];
}
