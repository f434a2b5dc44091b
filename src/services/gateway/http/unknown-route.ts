/** The response for an unknown path or method: 405 with Allow when the path exists, else 404. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEM_TYPE, problem } from './problems.ts';

/**
 * `limit` and `onUnknown`, which receives the status and the code of the problem, run before the answer. Must be created
 * before the routes are registered, because it collects them in an onRoute hook.
 */
export function createUnknownRouteHandler(
  app: FastifyInstance,
  limit: (request: FastifyRequest, reply: FastifyReply) => Promise<void>,
  onUnknown: (request: FastifyRequest, status: number, code: string) => void,
) {
  const routes = new Map<string, { shape: RegExp; methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    const shape = new RegExp(`^${url.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`);
    const route = routes.get(url) ?? { shape, methods: new Set<string>() };
    for (const name of [method].flat()) route.methods.add(name);
    routes.set(url, route);
  });

  return async (request: FastifyRequest, reply: FastifyReply) => {
    await limit(request, reply);
    const path = request.url.split('?', 1)[0]!;
    const route = [...routes.values()].find(({ shape }) => shape.test(path));
    if (!route) {
      onUnknown(request, 404, 'not-found');
      const body = problem(404, 'not-found', 'There is nothing at this path.', request.id);
      return reply.code(404).type(PROBLEM_TYPE).send(body);
    }
    onUnknown(request, 405, 'method-not-allowed');
    const allow = [...route.methods].sort().join(', ');
    const body = problem(405, 'method-not-allowed', `This path allows ${allow}.`, request.id);
    return reply.code(405).header('allow', allow).type(PROBLEM_TYPE).send(body);
  };
}
