/**
 * The gateway: an HTTP server that composes the services of a design. Every dependency is an argument, so tests create
 * it inside the test process, on real stores, and main.ts creates it in a process of its own.
 *
 *   request -> request id -> address -> session or key -> limits -> handler -> audit (committed) -> response
 */
import { randomUUID } from 'node:crypto';
import { fastifyCookie } from '@fastify/cookie';
import { fastifySwagger } from '@fastify/swagger';
import { type FastifyError, type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { apiKeyRoutes } from '../../api-keys/routes.ts';
import { activityRoutes } from '../../audit/activity/activity-routes.ts';
import type { Design } from '../../design.ts';
import { projectRoutes } from '../../projects/routes.ts';
import { sessionRoutes } from '../../sessions/routes.ts';
import { createAuditHooks, noteReason } from '../audit/audit-hooks.ts';
import { auditReadingRoutes } from '../audit/audit-reading.ts';
import { type CountDenial, createDenialHook } from '../audit/denial-hooks.ts';
import { createDenialLog, type DenialLog } from '../audit/denial-log.ts';
import { createRequestLimits } from '../limits/request-limits.ts';
import type { Metrics } from '../metrics.ts';
import type { Resources, Services } from '../services.ts';
import { createAuthHooks } from './auth-hooks.ts';
import { type ClientAddress, createClientAddress } from './client-address.ts';
import { registerHealth } from './health.ts';
import { COOKIE_NAME } from './presented-token.ts';
import {
  createErrorHandler,
  PROBLEM_TYPE,
  problemOf,
  problemSchema,
  respondToUnreadable,
  throttleReports,
} from './problems.ts';
import { registerRoute } from './register-route.ts';
import { createUnknownRouteHandler } from './unknown-route.ts';

const requestIdShape = /^[A-Za-z0-9_.:-]{1,64}$/;
const BODY_LIMIT_BYTES = 64 * 1024;
export const loopback: readonly string[] = ['127.0.0.1/32', '::1/128'];

export interface Gateway {
  readonly app: FastifyInstance;
  /** Null in designs without an audit log. */
  readonly denials: DenialLog | null;
  /** From now on /readyz responds with 503; other requests are still served. */
  drain(): void;
}

type Report = (requestId: string, error: Error) => void;

interface GatewayOptions {
  design: Design;
  resources: Resources;
  services: Services;
  metrics: Metrics;
  /** Receives every error behind a 5xx; the client sees only the request id. */
  report: Report;
  logLevel?: string;
  /** Addresses and CIDR ranges of the load balancers whose X-Forwarded-For is trusted. */
  trustedProxies?: readonly string[];
  /** Every limited response says what was decided and when; for measurements. */
  evidence?: boolean;
}

export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { design, resources, services, metrics } = options;
  const report = throttleReports(options.report, () => performance.now());
  let isDraining = false;
  const addressOf = createClientAddress(options.trustedProxies ?? loopback);
  const denials = createDenials(options, report);
  const countDenial: CountDenial = denials
    ? createDenialHook({ ...services, denials, addressOf, monotonicMs: () => performance.now() })
    : () => {};
  const app = createFastify(options.logLevel, countDenial);
  const handleError = createErrorHandler(report);
  app.addHook('onClose', async () => void (await denials?.close()));
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const reason = noteReason(request, error);
    countDenial(request, problemOf(error, request.id).status, reason);
    return handleError(error, request, reply);
  });
  // The plugin only sets cookies; presented-token.ts reads them.
  await app.register(fastifyCookie, { hook: false });
  await registerOpenApi(app);
  app.setNotFoundHandler(createUnknownRouteHandler(app, countDenial));
  app.decorateRequest('requestContext', null);
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.observeResponse(route, reply.statusCode, reply.elapsedTime / 1_000);
    done();
  });

  registerHealth(app, {
    ...resources,
    needsRedis: needsRedis(design),
    isDraining: () => isDraining,
  });
  registerMetrics(app, metrics);
  const dependencies = createRouteDependencies({ ...options, report, addressOf });
  const routes = [
    ...sessionRoutes(services),
    ...projectRoutes(services.projects),
    ...activityRoutes(services.activity),
    ...auditReadingRoutes(design, resources, services),
    ...apiKeyRoutes(services.apiKeys),
    ...(services.limits.kind === 'exact' ? services.limits.routes : []),
  ];
  for (const route of routes) registerRoute(app, route, dependencies);
  await app.ready();
  return {
    app,
    denials,
    drain: () => {
      isDraining = true;
    },
  };
}

/** Null in designs without an audit log. */
const createDenials = ({ design, resources, services }: GatewayOptions, report: Report) =>
  services.audit &&
  createDenialLog({
    ...resources,
    audit: services.audit.writer,
    region: design.sessions.region,
    report: (error) => report('denials', error),
  });

function createFastify(logLevel: string | undefined, countDenial: CountDenial): FastifyInstance {
  const app = fastify({
    logger: logLevel ? { level: logLevel } : false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestIdHeader: false,
    genReqId: (request) => {
      const presented = request.headers['x-request-id'];
      return typeof presented === 'string' && requestIdShape.test(presented)
        ? presented
        : randomUUID();
    },
    // Requests on open connections are still served while closing; /readyz keeps new ones away.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestTimeout: 30_000,
    ajv: { customOptions: { coerceTypes: true, removeAdditional: false } },
    frameworkErrors(error, request, reply) {
      const body = problemOf(error, request.id);
      countDenial(request, body.status, noteReason(request, error));
      const plain = reply as unknown as FastifyReply;
      plain.header('x-request-id', request.id);
      plain.code(body.status).type(PROBLEM_TYPE).send(JSON.stringify(body));
    },
    clientErrorHandler: respondToUnreadable,
  });

  app.removeContentTypeParser('text/plain');
  app.addSchema(problemSchema);
  return app;
}

function createRouteDependencies(options: GatewayOptions & { addressOf: ClientAddress }) {
  const { design, resources, services, metrics, report } = options;
  return {
    createAuthHooks: createAuthHooks({
      ...services,
      ...resources,
      limits: createRequestLimits({
        limits: services.limits,
        metrics,
        random: resources.random,
        evidence: options.evidence ?? false,
      }),
      addressOf: options.addressOf,
    }),
    auditHooks:
      services.audit &&
      createAuditHooks({
        audit: services.audit.writer,
        joinsTransactions: design.audit.writer.kind === 'group-commit',
        name: resources.name,
        region: design.sessions.region,
        report,
        observeWaitSeconds: metrics.observeAuditWait,
      }),
    forEveryResponse: services.activity.forEveryResponse,
  };
}

/** The samples' sessions and buckets are only in Redis, so their designs serve no request without it. */
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
          cookie: { type: 'apiKey', in: 'cookie', name: COOKIE_NAME },
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
