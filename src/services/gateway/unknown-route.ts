/** The answer for paths and methods nobody offers: 405 with Allow when the path exists, else 404. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { problem, problemType } from './problems.ts';

/** Must be created before the routes are registered: it notes them as they come. */
export function createUnknownRouteHandler(app: FastifyInstance) {
  const offered = new Map<string, { shape: RegExp; methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    const shape = new RegExp(`^${url.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`);
    const entry = offered.get(url) ?? { shape, methods: new Set<string>() };
    for (const one of [method].flat()) entry.methods.add(one);
    offered.set(url, entry);
  });

  return (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.split('?', 1)[0]!;
    const known = [...offered.values()].find(({ shape }) => shape.test(path));
    if (!known) {
      const body = problem(404, 'not-found', 'There is nothing at this path.', request.id);
      return reply.code(404).type(problemType).send(body);
    }
    const allow = [...known.methods].sort().join(', ');
    const body = problem(405, 'method-not-allowed', `This path allows ${allow}.`, request.id);
    return reply.code(405).header('allow', allow).type(problemType).send(body);
  };
}
