/** The hooks of a route, as register-route.ts registers them. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteResponse } from '../../route.ts';

export type Hook = (
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
) => void;
type AsyncHook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

export const toHook =
  (run: AsyncHook): Hook =>
  (request, reply, done) => {
    run(request, reply).then(() => done(), done);
  };

export interface AuthHooks {
  /** Before the body is read. */
  readonly onRequest: Hook;
  /** Where limits depend on the body as well. */
  readonly preHandler?: Hook;
  /** Around the handler: runs it, and returns the response to send. */
  wrapHandler?(
    request: FastifyRequest,
    reply: FastifyReply,
    handle: () => RouteResponse | Promise<RouteResponse>,
  ): Promise<RouteResponse>;
}
