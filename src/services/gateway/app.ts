/**
 * The gateway: one HTTP process that composes the services of a design. Everything it needs is an argument, so a
 * test builds it on real stores without a process, and main.ts builds it inside one.
 *
 *   request -> request id -> address -> session or key -> limits -> handler -> audit (committed) -> answer
 */
import { randomUUID } from 'node:crypto';
import { fastifyCookie } from '@fastify/cookie';
import { fastifySwagger } from '@fastify/swagger';
import { type FastifyError, type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { apiKeyRoutes } from '../api-keys/routes.ts';
import { activityRoutes } from '../audit/routes.ts';
import type { Design } from '../design.ts';
import { projectRoutes } from '../projects/routes.ts';
import { sessionRoutes } from '../sessions/routes.ts';
import { auditReadingRoutes } from './audit-reading.ts';
import { createAuditTrail, noteReason } from './audit-trail.ts';
import { createClientAddress } from './client-address.ts';
import { createGuard } from './guard.ts';
import { registerHealth } from './health.ts';
import type { Metrics } from './metrics.ts';
import { cookieName } from './presented-token.ts';
import {
  answerUnreadable,
  createErrorHandler,
  problemOf,
  problemSchema,
  problemType,
  reportSparingly,
} from './problems.ts';
import { registerRoute } from './registration.ts';
import { createRequestLimits } from './request-limits.ts';
import type { Resources, Services } from './services.ts';
import { createUnknownRouteHandler } from './unknown-route.ts';

const requestIdShape = /^[A-Za-z0-9_.:-]{1,64}$/;
const bodyLimitBytes = 64 * 1024;
export const loopback: readonly string[] = ['127.0.0.1/32', '::1/128'];

export interface Gateway {
  readonly app: FastifyInstance;
  /** From now on /readyz says no; requests are still answered. */
  drain(): void;
}

export async function createGateway(given: {
  design: Design;
  resources: Resources;
  services: Services;
  metrics: Metrics;
  /** Receives unforeseen errors; the client sees only the request id. */
  report: (requestId: string, error: Error) => void;
  logLevel?: string;
  /** Addresses and ranges of the load balancers whose X-Forwarded-For is believed. */
  trustedProxies?: readonly string[];
  /** Every limited answer says what was decided and when; for measurements. */
  evidence?: boolean;
}): Promise<Gateway> {
  const { design, resources, services, metrics } = given;
  const report = reportSparingly(given.report, () => performance.now());
  let draining = false;
  const app = fastify({
    logger: given.logLevel ? { level: given.logLevel } : false,
    bodyLimit: bodyLimitBytes,
    requestIdHeader: false,
    genReqId: (request) => {
      const presented = request.headers['x-request-id'];
      return typeof presented === 'string' && requestIdShape.test(presented)
        ? presented
        : randomUUID();
    },
    // Requests on open connections are still served while closing; readiness is what turns new ones away.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestTimeout: 30_000,
    ajv: { customOptions: { coerceTypes: true, removeAdditional: false } },
    frameworkErrors(error, request, reply) {
      const body = problemOf(error, request.id);
      const plain = reply as unknown as FastifyReply;
      plain.header('x-request-id', request.id);
      plain.code(body.status).type(problemType).send(JSON.stringify(body));
    },
    clientErrorHandler: answerUnreadable,
  });

  app.removeContentTypeParser('text/plain');
  app.addSchema(problemSchema);
  const answerError = createErrorHandler(report);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    noteReason(request, error);
    return answerError(error, request, reply);
  });
  // It sets cookies; presented-token.ts reads them.
  await app.register(fastifyCookie, { hook: false });
  await registerOpenApi(app);
  app.setNotFoundHandler(createUnknownRouteHandler(app));
  app.decorateRequest('passage', null);
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.answered(route, reply.statusCode, reply.elapsedTime / 1_000);
    done();
  });

  registerHealth(app, {
    ...resources,
    needsRedis: needsRedis(design),
    isDraining: () => draining,
  });
  registerMetrics(app, metrics);
  const wiring = {
    guard: createGuard({
      ...services,
      ...resources,
      limits: createRequestLimits({
        limits: services.limits,
        metrics,
        random: resources.random,
        evidence: given.evidence ?? false,
      }),
      addressOf: createClientAddress(given.trustedProxies ?? loopback),
    }),
    auditTrail:
      services.audit &&
      createAuditTrail({
        audit: services.audit.writer,
        joinsTransactions: design.audit.writer.kind === 'group-commit',
        name: resources.name,
        region: design.sessions.region,
        report,
        waited: metrics.auditWaited,
      }),
    forEveryAnswer: services.activity.forEveryAnswer,
  };
  const routes = [
    ...sessionRoutes(services),
    ...projectRoutes(services.projects),
    ...activityRoutes(services.activity),
    ...auditReadingRoutes(design, resources, services.audit),
    ...apiKeyRoutes(services.apiKeys),
    ...(services.limits.kind === 'exact' ? services.limits.routes : []),
  ];
  for (const route of routes) registerRoute(app, route, wiring);
  await app.ready();
  return {
    app,
    drain: () => {
      draining = true;
    },
  };
}

/** Without it nothing could be answered: the samples' sessions and buckets live there alone. */
const needsRedis = ({ rateLimit, sessions }: Design): boolean =>
  rateLimit.kind === 'buckets' || sessions.store.kind === 'redis-ttl';

async function registerOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.0.3',
      info: {
        title: 'platform',
        version: '1',
        description: 'Errors are RFC 9457 problem documents.',
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          cookie: { type: 'apiKey', in: 'cookie', name: cookieName },
        },
      },
    },
    refResolver: { buildLocalReference: (json) => String(json.$id) },
  });
  let document: string | undefined;
  app.route({
    method: 'GET',
    url: '/openapi.json',
    schema: {
      operationId: 'openapi',
      summary: 'This description',
      response: { 200: { type: 'object', additionalProperties: true } },
    },
    handler: async (_request, reply) => {
      document ??= JSON.stringify(app.swagger());
      return reply.type('application/json').serializer(String).send(document);
    },
  });
}

function registerMetrics(app: FastifyInstance, metrics: Metrics): void {
  app.route({
    method: 'GET',
    url: '/metrics',
    schema: {
      operationId: 'metrics',
      summary: 'Prometheus metrics',
      response: { 200: { content: { 'text/plain': { schema: { type: 'string' } } } } },
    },
    handler: async (_request, reply) =>
      reply
        .type(metrics.registry.contentType)
        .serializer(String)
        .send(await metrics.registry.metrics()),
  });
}
