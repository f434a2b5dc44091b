/**
 * What stands before every handler: who is it (session), and may they now (limit). Refusals are thrown as problems;
 * by then the trail names the user, so a refusal is audited like any other answer.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RateLimitDesign } from '../design.ts';
import { ServiceError } from '../ports.ts';
import { limitHeaders } from '../rate-limit/policy.ts';
import type { Route } from '../route.ts';
import type { Metrics } from './metrics.ts';
import type { Services } from './services.ts';

export const cookieName = '__Host-session';

/** What one request has found out about itself so far. */
export interface Passage {
  userId: string;
  token: string;
  trail: { userId: string; resourceId: string | null };
}

declare module 'fastify' {
  interface FastifyRequest {
    passage: Passage | null;
  }
}

export function createGuard(given: {
  services: Pick<Services, 'sessions' | 'limiter'>;
  limits: RateLimitDesign;
  metrics: Metrics;
}) {
  const { services, limits, metrics } = given;

  const limit = async (reply: FastifyReply, name: keyof RateLimitDesign, subject: string) => {
    const startedMs = performance.now();
    const decision = await services.limiter.decide(`${name}:${subject}`, limits[name]);
    metrics.limiterTook((performance.now() - startedMs) / 1_000);
    reply.headers(limitHeaders(name, limits[name], decision));
    if (decision.admitted) return;
    throw new ServiceError({
      status: 429,
      code: 'rate-limited',
      detail: `At most ${limits[name].limit} requests in ${limits[name].windowMs / 1_000} s. Retry-After says when.`,
    });
  };

  const requireSession = async (request: FastifyRequest, reply: FastifyReply) => {
    const token = presentedToken(request);
    const session = token === '' ? null : await services.sessions.check(token);
    if (token !== '') metrics.sessionChecked(session !== null);
    if (!session) {
      throw new ServiceError({
        status: 401,
        code: 'unauthenticated',
        detail: 'Log in first: this needs a session that has not ended.',
        headers: { 'www-authenticate': 'Bearer' },
      });
    }
    const { userId } = session;
    request.passage = { userId, token, trail: { userId, resourceId: null } };
    await limit(reply, 'user', userId);
  };

  return (access: Route['access']) =>
    access === 'session'
      ? requireSession
      : async (request: FastifyRequest, reply: FastifyReply) => {
          request.passage = { userId: '', token: '', trail: { userId: '', resourceId: null } };
          await limit(reply, access, request.ip);
        };
}

/** The bearer token, else the cookie, else nothing. */
function presentedToken(request: FastifyRequest): string {
  const header = request.headers.authorization;
  if (header !== undefined) return /^Bearer +(\S+)$/i.exec(header)?.[1] ?? '';
  return request.cookies[cookieName] ?? '';
}
