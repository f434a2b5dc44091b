/**
 * The listener for operators, apart from that of clients: metrics, liveness, and readiness with its reasons. It listens on
 * loopback unless it is configured otherwise, has no limits, and reading it changes nothing that another reader sees.
 */
import { type FastifyInstance, fastify } from 'fastify';
import type { Registry } from 'prom-client';
import type { Readiness } from './readiness.ts';

const NOT_FOUND = { error: 'GET /metrics, /healthz or /readyz' };

export function createOperations(given: {
  registry: Registry;
  readiness: Readiness;
}): FastifyInstance {
  const { registry, readiness } = given;
  const app = fastify({
    logger: false,
    bodyLimit: 1,
    forceCloseConnections: true,
    return503OnClosing: false,
    requestTimeout: 10_000,
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send(NOT_FOUND));
  app.get('/metrics', async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
  // Alive: the event loop runs.
  app.get('/healthz', async () => ({ status: 'alive' }));
  app.get('/readyz', async (_request, reply) => {
    const reasons = await readiness.reasons();
    if (reasons.length === 0) return { status: 'ready' };
    return reply.code(503).send({ status: 'not ready', detail: `${reasons.join('; ')}.` });
  });
  return app;
}
