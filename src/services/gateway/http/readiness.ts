/**
 * Whether requests may be sent here: PostgreSQL, and Redis where the design requires it, respond within a second and the
 * process is not draining. The stores are asked once a second at most, however many ask us.
 */
import type { FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import type { Database } from '../../ports.ts';
import { settlesWithin } from '../../with-timeout.ts';
import { PROBLEM_TYPE, problem } from './problems.ts';

const CHECK_TIMEOUT_MS = 1_000;
const MAX_AGE_MS = 1_000;

export interface Readiness {
  /** Why requests should not be sent here; empty: ready. As of at most a second ago. */
  reasons(): Promise<readonly string[]>;
}

const respondsInTime = (check: Promise<unknown>): Promise<boolean> =>
  settlesWithin(check, CHECK_TIMEOUT_MS).catch(() => false);

export function createReadiness(given: {
  db: Database;
  redis: Redis;
  needsRedis: boolean;
  isDraining(): boolean;
  monotonicMs: () => number;
}): Readiness {
  const { db, redis, needsRedis, monotonicMs } = given;
  const askStores = async () => {
    const [isDatabaseUp, isRedisUp] = await Promise.all([
      respondsInTime(db.query({ name: 'ready', text: 'SELECT 1' })),
      needsRedis ? respondsInTime(redis.ping()) : true,
    ]);
    return [
      ...(isDatabaseUp ? [] : ['PostgreSQL does not answer']),
      ...(isRedisUp ? [] : ['Redis does not answer']),
    ];
  };
  let last = { atMs: Number.NEGATIVE_INFINITY, reasons: Promise.resolve<string[]>([]) };
  return {
    async reasons() {
      const nowMs = monotonicMs();
      if (nowMs - last.atMs >= MAX_AGE_MS) last = { atMs: nowMs, reasons: askStores() };
      const reasons = await last.reasons;
      return [...(given.isDraining() ? ['the process is stopping'] : []), ...reasons];
    },
  };
}

/** For a load balancer: ready or not, and to strangers no reasons. */
export function registerReadiness(app: FastifyInstance, readiness: Readiness): void {
  app.route({
    method: 'GET',
    url: '/readyz',
    schema: {
      operationId: 'readyz',
      summary: 'May requests be sent here; as of at most a second ago',
      response: {
        200: {
          type: 'object',
          required: ['status'],
          properties: { status: { type: 'string', const: 'ready' } },
        },
        503: {
          description: 'Not now',
          content: { [PROBLEM_TYPE]: { schema: { $ref: 'problem#' } } },
        },
      },
    },
    async handler(request, reply) {
      if ((await readiness.reasons()).length === 0) return { status: 'ready' };
      reply.code(503).type(PROBLEM_TYPE);
      return problem(503, 'not-ready', 'Send requests elsewhere for now.', request.id);
    },
  });
}
