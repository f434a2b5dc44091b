/**
 * Liveness and readiness. Alive: the event loop turns. Ready: PostgreSQL, and Redis where the design cannot do
 * without, answer within a second and the process is not draining; a load balancer should then send requests here.
 */
import type { FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import type { Database } from '../ports.ts';
import { problem, problemType } from './problems.ts';

const checkTimeoutMs = 1_000;

async function answers(check: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), checkTimeoutMs);
  });
  const done = check.then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

const status = (value: string) => ({
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
      response: { 200: status('alive') },
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
        200: status('ready'),
        503: {
          description: 'Not now',
          content: { [problemType]: { schema: { $ref: 'problem#' } } },
        },
      },
    },
    async handler(request, reply) {
      const [database, redis] = await Promise.all([
        answers(given.db.query({ name: 'ready', text: 'SELECT 1' })),
        given.needsRedis ? answers(given.redis.ping()) : true,
      ]);
      const lacking = [
        ...(given.isDraining() ? ['the process is stopping'] : []),
        ...(database ? [] : ['PostgreSQL does not answer']),
        ...(redis ? [] : ['Redis does not answer']),
      ];
      if (lacking.length === 0) return { status: 'ready' };
      reply.code(503).type(problemType);
      return problem(503, 'not-ready', `${lacking.join('; ')}.`, request.id);
    },
  });
}
