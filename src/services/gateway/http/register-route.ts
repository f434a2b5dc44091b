/**
 * Registers a service's routes (data) in Fastify: request and response schemas, auth hooks, audit hooks, session cookie.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { activityItem } from '../../audit/activity/activity-routes.ts';
import type { Activity } from '../../audit/contract.ts';
import { sanitizeText } from '../../audit/policy.ts';
import type { RecordIn } from '../../ports.ts';
import type { Call, JsonSchema, Route, RouteResponse } from '../../route.ts';
import type { AuditHooks } from '../audit/audit-hooks.ts';
import type { AuthHooks } from './auth-hooks.ts';
import { COOKIE_NAME } from './presented-token.ts';
import { PROBLEM_TYPE } from './problems.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of the route, for the audit log. */
    action?: string;
  }
}

const commonProblems = [400, 413, 429, 500, 503];

const operationId = ({ action, method }: Route) =>
  `${action.replace('.', '-')}-${method.toLowerCase()}`;

const acceptsToken = ({ access }: Pick<Route, 'access'>) =>
  access !== 'login' && access !== 'register';
const requiresPrincipal = ({ access }: Pick<Route, 'access'>) =>
  access === 'session' || access === 'session-or-key';

/** A schema for each status a route can respond with; Fastify compiles them into serialisers. */
function responseSchemas(route: Route, withActivity: boolean): JsonSchema {
  const responses: Record<string, unknown> = {};
  for (const [status, schema] of Object.entries(route.responses)) {
    const properties = schema?.properties as Record<string, unknown> | undefined;
    const recentActivity = { type: 'array', items: activityItem };
    responses[status] =
      schema === null
        ? { type: 'null', description: 'No body' }
        : withActivity
          ? { description: 'Done', ...schema, properties: { ...properties, recentActivity } }
          : { description: 'Done', ...schema };
  }
  const problems = acceptsToken(route) ? [401, 403, ...commonProblems] : commonProblems;
  for (const status of new Set([...problems, ...(route.problems ?? [])])) {
    const content = { [PROBLEM_TYPE]: { schema: { $ref: 'problem#' } } };
    responses[status] = { description: 'Problem', content };
  }
  return responses;
}

function sendResponse(reply: FastifyReply, response: RouteResponse): void {
  if (response.sessionCookie !== undefined) {
    const options = { path: '/', secure: true, httpOnly: true, sameSite: 'lax' } as const;
    if (response.sessionCookie === null) reply.clearCookie(COOKIE_NAME, options);
    else reply.setCookie(COOKIE_NAME, response.sessionCookie, options);
  }
  if (response.headers) reply.headers(response.headers);
  reply.code(response.status).send(response.body);
}

const createCall = (request: FastifyRequest, recordIn: RecordIn): Call => {
  const { userId, session, token, auditContext, ip } = request.requestContext!;
  return {
    userId,
    session,
    token,
    auditContext,
    recordIn,
    origin: {
      requestId: request.id,
      device: sanitizeText(request.headers['user-agent'], 200),
      ip,
    },
    params: request.params as Call['params'],
    query: request.query as Call['query'],
    body: (request.body ?? {}) as Call['body'],
  };
};

const skipRecording: RecordIn = async () => {};

export function registerRoute(
  app: FastifyInstance,
  route: Route,
  given: {
    createAuthHooks: (route: Route) => AuthHooks;
    /** Null in designs without an audit log. */
    auditHooks: AuditHooks | null;
    forEveryResponse: Activity['forEveryResponse'];
  },
): void {
  // The activity page is recent activity; reading the history twice for it would overstate the defect.
  const showsActivity = requiresPrincipal(route) && route.resourceType !== 'activity';
  const forEveryResponse = showsActivity ? given.forEveryResponse : undefined;
  const authHooks = given.createAuthHooks(route);
  const handle = (request: FastifyRequest, reply: FastifyReply, call: Call) => {
    const response = route.handle(call);
    return authHooks.wrapHandler ? authHooks.wrapHandler(request, reply, response) : response;
  };
  const handleWithActivity = async (
    readActivity: NonNullable<typeof forEveryResponse>,
    request: FastifyRequest,
    reply: FastifyReply,
    call: Call,
  ): Promise<RouteResponse> => {
    const recentActivity = await readActivity(call.userId);
    const response = await handle(request, reply, call);
    return response.body ? { ...response, body: { ...response.body, recentActivity } } : response;
  };
  app.route({
    method: route.method,
    url: route.url,
    config: { action: route.action },
    schema: {
      operationId: operationId(route),
      summary: route.summary,
      ...(acceptsToken(route) ? { security: [{ bearer: [] }, { cookie: [] }] } : {}),
      ...(route.params ? { params: route.params } : {}),
      ...(route.query ? { querystring: route.query } : {}),
      ...(route.body ? { body: route.body } : {}),
      response: responseSchemas(route, forEveryResponse !== undefined),
    },
    onRequest: authHooks.onRequest,
    ...(authHooks.preHandler ? { preHandler: authHooks.preHandler } : {}),
    ...(given.auditHooks ? { onSend: given.auditHooks.onSend(route) } : {}),
    // Not async: Fastify would await a returned reply, with listeners on its stream.
    handler(request, reply) {
      const call = createCall(request, given.auditHooks?.recordIn(route, request) ?? skipRecording);
      const response = forEveryResponse
        ? handleWithActivity(forEveryResponse, request, reply, call)
        : handle(request, reply, call);
      if (!(response instanceof Promise)) sendResponse(reply, response);
      else
        response.then(
          (settled) => sendResponse(reply, settled),
          (error) => reply.send(error),
        );
    },
  });
}
