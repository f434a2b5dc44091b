/**
 * Puts a service's routes (data) into Fastify: schemas in and out, guard before, audit trail after, session cookie.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Activity } from '../audit/contract.ts';
import { storable } from '../audit/policy.ts';
import { activityItem } from '../audit/routes.ts';
import type { RecordIn } from '../ports.ts';
import type { Answer, Call, JsonSchema, Route } from '../route.ts';
import type { AuditTrail } from './audit-trail.ts';
import type { Guard } from './guard.ts';
import { cookieName } from './presented-token.ts';
import { problemType } from './problems.ts';

const commonProblems = [400, 413, 429, 500, 503];

const operationId = ({ action, method }: Route) =>
  `${action.replace('.', '-')}-${method.toLowerCase()}`;

const takesToken = ({ access }: Pick<Route, 'access'>) =>
  access !== 'login' && access !== 'register';
const needsSomebody = ({ access }: Pick<Route, 'access'>) =>
  access === 'session' || access === 'session-or-key';

/** Schemas of every status a route can answer with; compiled by Fastify into serialisers. */
function responsesOf(route: Route, withActivity: boolean): JsonSchema {
  const responses: Record<string, unknown> = {};
  for (const [status, schema] of Object.entries(route.answers)) {
    const properties = schema?.properties as Record<string, unknown> | undefined;
    const recentActivity = { type: 'array', items: activityItem };
    responses[status] =
      schema === null
        ? { type: 'null', description: 'No body' }
        : withActivity
          ? { description: 'Done', ...schema, properties: { ...properties, recentActivity } }
          : { description: 'Done', ...schema };
  }
  const own = takesToken(route) ? [401, 403, ...commonProblems] : commonProblems;
  for (const status of new Set([...own, ...(route.problems ?? [])])) {
    const content = { [problemType]: { schema: { $ref: 'problem#' } } };
    responses[status] = { description: 'Problem', content };
  }
  return responses;
}

function send(reply: FastifyReply, answer: Answer): void {
  if (answer.sessionCookie !== undefined) {
    const options = { path: '/', secure: true, httpOnly: true, sameSite: 'lax' } as const;
    if (answer.sessionCookie === null) reply.clearCookie(cookieName, options);
    else reply.setCookie(cookieName, answer.sessionCookie, options);
  }
  if (answer.headers) reply.headers(answer.headers);
  reply.code(answer.status).send(answer.body);
}

const callOf = (request: FastifyRequest, recordIn: RecordIn): Call => {
  const { userId, session, token, trail, ip } = request.passage!;
  return {
    userId,
    session,
    token,
    trail,
    recordIn,
    origin: {
      requestId: request.id,
      device: storable(request.headers['user-agent'], 200),
      ip,
    },
    params: request.params as Call['params'],
    query: request.query as Call['query'],
    body: (request.body ?? {}) as Call['body'],
  };
};

const unrecorded: RecordIn = async () => {};

export function registerRoute(
  app: FastifyInstance,
  route: Route,
  given: {
    guard: (route: Route) => Guard;
    /** Null in designs without an audit log. */
    auditTrail: AuditTrail | null;
    forEveryAnswer: Activity['forEveryAnswer'];
  },
): void {
  // The activity page is recent activity; reading the history twice for it would overstate the defect.
  const showsActivity = needsSomebody(route) && route.resourceType !== 'activity';
  const forEveryAnswer = showsActivity ? given.forEveryAnswer : undefined;
  const guard = given.guard(route);
  const answerTo = (request: FastifyRequest, reply: FastifyReply, call: Call) => {
    const answer = route.handle(call);
    return guard.handled ? guard.handled(request, reply, answer) : answer;
  };
  const answerWithActivity = async (
    activity: NonNullable<typeof forEveryAnswer>,
    ...[request, reply, call]: Parameters<typeof answerTo>
  ): Promise<Answer> => {
    const recentActivity = await activity(call.userId);
    const answer = await answerTo(request, reply, call);
    return answer.body ? { ...answer, body: { ...answer.body, recentActivity } } : answer;
  };
  app.route({
    method: route.method,
    url: route.url,
    schema: {
      operationId: operationId(route),
      summary: route.summary,
      ...(takesToken(route) ? { security: [{ bearer: [] }, { cookie: [] }] } : {}),
      ...(route.params ? { params: route.params } : {}),
      ...(route.query ? { querystring: route.query } : {}),
      ...(route.body ? { body: route.body } : {}),
      response: responsesOf(route, forEveryAnswer !== undefined),
    },
    onRequest: guard.arrived,
    ...(guard.understood ? { preHandler: guard.understood } : {}),
    ...(given.auditTrail ? { onSend: given.auditTrail.onSend(route) } : {}),
    // Not async: a reply that is returned is waited for, with listeners on its stream.
    handler(request, reply) {
      const call = callOf(request, given.auditTrail?.recordIn(route, request) ?? unrecorded);
      const answer = forEveryAnswer
        ? answerWithActivity(forEveryAnswer, request, reply, call)
        : answerTo(request, reply, call);
      if (!(answer instanceof Promise)) send(reply, answer);
      else
        answer.then(
          (done) => send(reply, done),
          (error) => reply.send(error),
        );
    },
  });
}
