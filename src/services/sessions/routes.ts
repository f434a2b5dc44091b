/** Sessions over HTTP: list them, renew the current one, end one, the others, or all. */
import { isoFromUs, ServiceError } from '../ports.ts';
import type { JsonSchema, Route } from '../route.ts';
import {
  accountRoutes,
  answerLoggedOut,
  answerNewSession,
  newSessionSchema,
  originOf,
  type SessionServices,
  sessionGone,
} from './accounts/account-routes.ts';
import { administrationRoutes, revokedCountSchema } from './accounts/administration-routes.ts';

const sessionItemSchema: JsonSchema = {
  type: 'object',
  required: ['id', 'device', 'ip', 'createdAt', 'lastSeenAt', 'current'],
  properties: {
    id: { type: 'string' },
    device: { type: 'string', nullable: true, description: 'User-Agent of the login.' },
    ip: { type: 'string', nullable: true },
    createdAt: { type: 'string', format: 'date-time' },
    lastSeenAt: { type: 'string', format: 'date-time', description: 'To the minute.' },
    current: { type: 'boolean' },
  },
};

const isoFromMs = (ms: number) => isoFromUs(ms * 1_000);

export function sessionRoutes(given: SessionServices): readonly Route[] {
  return [
    ...accountRoutes(given),
    currentRoute(),
    renewRoute(given),
    listRoute(given),
    revokeRoute(given),
    revokeOthersRoute(given),
    revokeAllRoute(given),
    ...administrationRoutes(given),
  ];
}

const currentRoute = (): Route => ({
  method: 'GET',
  url: '/session',
  summary: 'This session; costs the check and nothing else',
  access: 'session',
  action: 'session.read',
  resourceType: 'session',
  onAuditDown: 'local-log',
  responses: {
    200: {
      type: 'object',
      required: ['userId', 'sessionId'],
      properties: { userId: { type: 'string' }, sessionId: { type: 'string' } },
    },
  },
  handle: ({ userId, session }) => ({
    status: 200,
    body: { userId, sessionId: session!.id },
  }),
});

const renewRoute = ({ sessions }: SessionServices): Route => ({
  method: 'POST',
  url: '/session/renew',
  summary: 'Another token for this session, with the same absolute end; the present one ends',
  access: 'session',
  action: 'session.renew',
  resourceType: 'session',
  responses: { 200: newSessionSchema },
  async handle(call) {
    const created = await sessions.renew(call.token, originOf(call));
    if (!created) throw sessionGone();
    return answerNewSession(created);
  },
});

const listRoute = ({ sessions }: SessionServices): Route => ({
  method: 'GET',
  url: '/sessions',
  summary: 'Your sessions that have not ended, newest first, at most 100',
  access: 'session',
  action: 'session.list',
  resourceType: 'session',
  onAuditDown: 'local-log',
  responses: {
    200: {
      type: 'object',
      required: ['items'],
      properties: { items: { type: 'array', items: sessionItemSchema } },
    },
  },
  async handle({ userId, session }) {
    const items = (await sessions.list(userId)).map(({ createdAtMs, lastSeenAtMs, ...view }) => ({
      ...view,
      createdAt: isoFromMs(createdAtMs),
      lastSeenAt: isoFromMs(lastSeenAtMs),
      current: view.id === session!.id,
    }));
    return { status: 200, body: { items } };
  },
});

const revokeRoute = ({ sessions }: SessionServices): Route => ({
  method: 'DELETE',
  url: '/sessions/:id',
  summary: 'End one of your sessions; may be repeated',
  access: 'session',
  action: 'session.revoke',
  resourceType: 'session',
  params: {
    type: 'object',
    required: ['id'],
    properties: { id: { type: 'string', pattern: '^[A-Za-z0-9_-]{22}$' } },
  },
  responses: { 204: null },
  problems: [404],
  async handle(call) {
    const { session, params } = call;
    if (await sessions.revoke(session!, params.id!, originOf(call)))
      return params.id === session!.id ? answerLoggedOut : { status: 204 };
    throw new ServiceError({
      status: 404,
      code: 'session-not-found',
      detail: 'You have no session with this id.',
    });
  },
});

const revokeOthersRoute = ({ sessions }: SessionServices): Route => ({
  method: 'POST',
  url: '/sessions/revoke-others',
  summary: 'End all your sessions but this one',
  access: 'session',
  action: 'session.revoke-others',
  resourceType: 'session',
  responses: { 200: revokedCountSchema },
  handle: async (call) => ({
    status: 200,
    body: { revoked: await sessions.revokeOthers(call.session!, originOf(call)) },
  }),
});

const revokeAllRoute = ({ sessions }: SessionServices): Route => ({
  method: 'POST',
  url: '/sessions/revoke-all',
  summary: 'End all your sessions, this one too',
  access: 'session',
  action: 'session.revoke-all',
  resourceType: 'session',
  responses: { 200: revokedCountSchema },
  async handle(call) {
    const { userId } = call;
    const actor = { id: userId, reason: 'all' };
    const count = await sessions.revokeAll(userId, actor, originOf(call));
    return { ...answerLoggedOut, status: 200, body: { revoked: count } };
  },
});
