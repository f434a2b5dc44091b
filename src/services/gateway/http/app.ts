/**
 * The gateway: an HTTP server that composes the services of a design. Every dependency is an argument, so tests create
 * it inside the test process, on real stores, and main.ts creates it in a process of its own.
 *
 *   request -> request id -> address -> session or key -> limits -> handler -> audit (committed) -> response
 */
import { randomUUID } from 'node:crypto';
import { fastifyCookie } from '@fastify/cookie';
import { fastifySwagger } from '@fastify/swagger';
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
} from 'fastify';
import { apiKeyRoutes } from '../../api-keys/routes.ts';
import { activityRoutes } from '../../audit/activity/activity-routes.ts';
import type { Design } from '../../design.ts';
import { ServiceError } from '../../ports.ts';
import { projectRoutes } from '../../projects/routes.ts';
import { sessionRoutes } from '../../sessions/routes.ts';
import { createAuditHooks, noteReason } from '../audit/audit-hooks.ts';
import { auditReadingRoutes } from '../audit/audit-reading.ts';
import { type CountDenial, createDenialHook } from '../audit/denial-hooks.ts';
import { createDenialLog, type DenialLog } from '../audit/denial-log.ts';
import { refundUnavailable } from '../limits/refunds.ts';
import { createRequestLimits } from '../limits/request-limits.ts';
import type { Metrics } from '../metrics.ts';
import type { Resources, Services } from '../services.ts';
import { createAuthHooks } from './auth-hooks.ts';
import { type ClientAddress, createClientAddress } from './client-address.ts';
import { createDeviceCookies } from './device-cookie.ts';
import type { ForwardedField } from './forwarded.ts';
import { createOperations } from './operations.ts';
import { createOwnPageCheck } from './own-origin.ts';
import { COOKIE_NAME } from './presented-token.ts';
import {
  createErrorHandler,
  isUnavailable,
  PROBLEM_TYPE,
  problemOf,
  problemSchema,
  respondToUnknownExpectation,
  respondToUnreadable,
  throttleReports,
} from './problems.ts';
import { createReadiness, registerReadiness } from './readiness.ts';
import { registerRoute } from './register-route.ts';
import { ignoreTypeOfEmptyBody, registerBodyParsers } from './request-bodies.ts';
import { createRequestContext } from './request-context.ts';
import { PUBLIC_CACHE_CONTROL, protectiveHeaders } from './response-headers.ts';
import { createUnknownRouteHandler } from './unknown-route.ts';
import { createValidatorCompiler } from './validation.ts';

const BODY_LIMIT_BYTES = 64 * 1024;
export const loopback: readonly string[] = ['127.0.0.1/32', '::1/128'];

export interface Gateway {
  readonly app: FastifyInstance;
  /** For a listener of its own; see operations.ts. */
  readonly operations: FastifyInstance;
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
  /** Addresses and CIDR ranges of the load balancers whose X-Forwarded-For or Forwarded is trusted. */
  trustedProxies?: readonly string[];
  forwardedField?: ForwardedField;
  /** Of our pages, `https://app.example.com`; default: whatever Host says. */
  publicOrigins?: readonly string[];
  /** Signs the cookies of known devices; the same in every process. */
  deviceKey: Buffer;
  /** Every limited response says what was decided and when; for measurements. */
  evidence?: boolean;
}

export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { design, resources, services, metrics } = options;
  const report = throttleReports(options.report, () => performance.now());
  let isDraining = false;
  const trustedProxies = options.trustedProxies ?? loopback;
  const addressOf = createClientAddress(trustedProxies, options.forwardedField);
  const denials = createDenials(options, report);
  const countDenial: CountDenial = denials
    ? createDenialHook({ ...services, denials, addressOf, monotonicMs: () => performance.now() })
    : () => {};
  const app = createFastify({ ...options, trustedProxies, countDenial });
  const handleError = createErrorHandler(report);
  const dependencies = createRouteDependencies({ ...options, addressOf, report });
  const handleUnknownRoute = createUnknownRouteHandler(app, dependencies.limitPublic, countDenial);
  app.addHook('onClose', async () => void (await denials?.close()));
  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    // Whatever is wrong with a request to an unknown path or method, that is what is wrong first.
    if (request.is404 && !(error instanceof ServiceError))
      return handleUnknownRoute(request, reply);
    const reason = noteReason(request, error);
    countDenial(request, problemOf(error, request.id).status, reason);
    const { requestContext } = request;
    if (requestContext && isUnavailable(error)) await refundUnavailable(requestContext.taken);
    return handleError(error, request, reply);
  });
  // The plugin only sets cookies; presented-token.ts reads them.
  await app.register(fastifyCookie, { hook: false });
  await registerOpenApi(app, dependencies.limitPublic);
  app.setNotFoundHandler(handleUnknownRoute);
  app.decorateRequest('requestContext', null);
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).headers(protectiveHeaders(request));
    ignoreTypeOfEmptyBody(request);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.observeResponse(route, reply.statusCode, reply.elapsedTime / 1_000);
    // An event that cannot be put on record turns the response into a 503 without an error.
    if (reply.statusCode === 503 && request.requestContext)
      void refundUnavailable(request.requestContext.taken);
    done();
  });

  const readiness = createReadiness({
    ...resources,
    needsRedis: needsRedis(design),
    isDraining: () => isDraining,
    monotonicMs: () => performance.now(),
  });
  registerReadiness(app, readiness);
  const routes = [
    ...sessionRoutes(services),
    ...projectRoutes(services.projects),
    ...activityRoutes(services.activity),
    ...auditReadingRoutes(design, resources, services),
    ...apiKeyRoutes(services.apiKeys, { ...services.users, authorize: services.authorize }),
    ...(services.limits.kind === 'exact' ? services.limits.routes : []),
  ];
  for (const route of routes) registerRoute(app, route, dependencies);
  await app.ready();
  return {
    app,
    operations: createOperations({ registry: metrics.registry, readiness }),
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

function createFastify({
  logLevel,
  trustedProxies,
  countDenial,
}: Pick<GatewayOptions, 'logLevel'> & {
  readonly trustedProxies: readonly string[];
  readonly countDenial: CountDenial;
}): FastifyInstance {
  const app = fastify({
    logger: logLevel ? { level: logLevel } : false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    // Requests on open connections are still served while closing; /readyz keeps new ones away.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestTimeout: 30_000,
    // For the protocol of the client; its address is found by client-address.ts.
    trustProxy: [...trustedProxies],
    frameworkErrors(error, request, reply) {
      const body = problemOf(error, request.id);
      countDenial(request, body.status, noteReason(request, error));
      const plain = reply as unknown as FastifyReply;
      plain.header('x-request-id', request.id).headers(protectiveHeaders(request));
      plain.code(body.status).type(PROBLEM_TYPE).send(JSON.stringify(body));
    },
    clientErrorHandler: respondToUnreadable,
  });

  app.server.on('checkExpectation', respondToUnknownExpectation);
  registerBodyParsers(app);
  app.setValidatorCompiler(createValidatorCompiler());
  app.addSchema(problemSchema);
  return app;
}

function createRouteDependencies(options: GatewayOptions & { addressOf: ClientAddress }) {
  const { design, resources, services, metrics, report } = options;
  const limits = createRequestLimits({
    limits: services.limits,
    metrics,
    random: resources.random,
    evidence: options.evidence ?? false,
  });
  const sources = { ...resources, addressOf: options.addressOf };
  return {
    /** Of what needs no principal and has no other limit. */
    async limitPublic(request: FastifyRequest, reply: FastifyReply) {
      const { address } = createRequestContext(sources, request, '');
      await limits.limitAddress(reply, 'public', { address, onLimiterDown: 'share' });
    },
    createAuthHooks: createAuthHooks({
      ...services,
      ...sources,
      limits,
      devices: createDeviceCookies({ ...resources, key: options.deviceKey }),
      isOwnPage: createOwnPageCheck(options.publicOrigins),
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

async function registerOpenApi(
  app: FastifyInstance,
  limit: (request: FastifyRequest, reply: FastifyReply) => Promise<void>,
): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.0.3',
      info: {
        title: 'platform',
        version: '1',
        description:
          'Errors are RFC 9457 problem documents; a 400 points to the field. Unknown and repeated query parameters ' +
          'and unknown properties are refused. Only integers in the query are converted, from plain digits; a body ' +
          'is never converted. Where no body is described, an empty one or {} is accepted. X-Request-Id of a response ' +
          'is the id in the audit log; the one of a request is recorded beside it.',
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
    preHandler: limit,
    handler: async (_request, reply) => {
      document ??= JSON.stringify(app.swagger());
      return reply
        .type('application/json')
        .header('cache-control', PUBLIC_CACHE_CONTROL)
        .serializer(String)
        .send(document);
    },
  });
}
