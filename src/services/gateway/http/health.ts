/**
 * Liveness and readiness. Alive: the event loop runs. Ready: PostgreSQL, and Redis where the design requires it, respond
 * within a second and the process is not draining; a load balancer may then send requests here.
 */
import type { FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import type { Database } from '../../ports.ts';
import { settlesWithin } from '../../with-timeout.ts';
import { PROBLEM_TYPE, problem } from './problems.ts';

const CHECK_TIMEOUT_MS = 1_000;

const respondsInTime = (check: Promise<unknown>): Promise<boolean> =>
  settlesWithin(check, CHECK_TIMEOUT_MS).catch(() => false);

const statusSchema = (value: string) => ({
  type: 'object',
  required: ['status'],
  properties: { status: { type: 'string', const: value } },
});

export function registerHealth(
  app: FastifyInstance,
  given: { db: Database; redis: Redis; needsRedis: boolean; isDraining(): boolean },
): void {
  app.route({
    method: 'GET',
    url: '/healthz',
    schema: {
      operationId: 'healthz',
      summary: 'Is the process alive',
      response: { 200: statusSchema('alive') },
    },
    handler: async () => ({ status: 'alive' }),
  });

  app.route({
    method: 'GET',
    url: '/readyz',
    schema: {
      operationId: 'readyz',
      summary: 'May requests be sent here',
      response: {
        200: statusSchema('ready'),
        503: {
          description: 'Not now',
          content: { [PROBLEM_TYPE]: { schema: { $ref: 'problem#' } } },
        },
      },
    },
    async handler(request, reply) {
      const [database, redis] = await Promise.all([
        respondsInTime(given.db.query({ name: 'ready', text: 'SELECT 1' })),
        given.needsRedis ? respondsInTime(given.redis.ping()) : true,
      ]);
      const reasons = [
        ...(given.isDraining() ? ['the process is stopping'] : []),
        ...(database ? [] : ['PostgreSQL does not answer']),
        ...(redis ? [] : ['Redis does not answer']),
      ];
      if (reasons.length === 0) return { status: 'ready' };
      reply.code(503).type(PROBLEM_TYPE);
      return problem(503, 'not-ready', `${reasons.join('; ')}.`, request.id);
    },
  });
}
