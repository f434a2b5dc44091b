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
import { keepUnits } from '../limits/refunds.ts';
import { COOKIE_NAME } from './presented-token.ts';
import { PROBLEM_TYPE } from './problems.ts';
import { refuseBody } from './request-bodies.ts';
import type { AuthHooks } from './route-hooks.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of the route, for the audit log. */
    action?: string;
  }
}

const commonProblems = [400, 413, 429, 500, 503];
const noParameters: JsonSchema = { type: 'object', additionalProperties: false, properties: {} };

const operationId = ({ action, method }: Route) =>
  `${action.replace('.', '-')}-${method.toLowerCase()}`;

const acceptsToken = ({ access }: Pick<Route, 'access'>) =>
  access !== 'login' && access !== 'register';
/** A client may send one; the route need not expect it. */
const mayHaveBody = ({ method }: Pick<Route, 'method'>) => method !== 'GET';
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
  const problems = [
    ...commonProblems,
    ...(acceptsToken(route) ? [401, 403] : []),
    ...(mayHaveBody(route) ? [413, 415] : []),
    ...(route.params ? [414] : []),
    ...(route.problems ?? []),
  ];
  for (const status of new Set(problems)) {
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
  const {
    userId,
    session,
    token,
    auditContext,
    clientRequestId,
    ip,
    address,
    taken,
    throttleRead,
  } = request.requestContext!;
  return {
    userId,
    address,
    session,
    token,
    auditContext,
    recordIn,
    throttleRead,
    keepLimitUnits: () => keepUnits(taken),
    origin: {
      requestId: request.id,
      clientRequestId,
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
    const run = () => route.handle(call);
    return authHooks.wrapHandler ? authHooks.wrapHandler(request, reply, run) : run();
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
      querystring: route.query ?? noParameters,
      ...(route.body ? { body: route.body } : {}),
      response: responseSchemas(route, forEveryResponse !== undefined),
    },
    onRequest: authHooks.onRequest,
    ...(mayHaveBody(route) && !route.body ? { preValidation: refuseBody } : {}),
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
