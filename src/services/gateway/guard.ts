/**
 * What stands before every handler: who is it (session), and may they now (limit). Refusals are thrown as problems;
 * by then the trail names the user, so a refusal is audited like any other answer.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RateLimitDesign, WindowsDesign } from '../design.ts';
import { ServiceError } from '../ports.ts';
import { limitHeaders } from '../rate-limit/policy.ts';
import type { CallSession, Route } from '../route.ts';
import type { Metrics } from './metrics.ts';
import { isOwnPage, presentedToken } from './presented-token.ts';
import type { Services } from './services.ts';

/** What one request has found out about itself so far. */
export interface Passage {
  userId: string;
  session: CallSession | null;
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

  const limit = async (
    reply: FastifyReply,
    name: Exclude<keyof WindowsDesign, 'kind'>,
    subject: string,
  ) => {
    if (limits.kind !== 'windows') return;
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
    const token = tokenOf(request);
    const session = token === '' ? null : await services.sessions.check(token);
    if (!session) throw unauthenticated();
    const { userId } = session;
    request.passage = { userId, session, token, trail: { userId, resourceId: null } };
    await limit(reply, 'user', userId);
  };

  return (access: Route['access']) =>
    access === 'session'
      ? requireSession
      : async (request: FastifyRequest, reply: FastifyReply) => {
          request.passage = {
            ...{ userId: '', session: null, trail: { userId: '', resourceId: null } },
            token: access === 'token' ? tokenOf(request) : ownToken(request),
          };
          if (access !== 'token') await limit(reply, access, request.ip);
        };
}

const unauthenticated = () =>
  new ServiceError({
    status: 401,
    code: 'unauthenticated',
    detail: 'Log in first: this needs a session that has not ended.',
    headers: { 'www-authenticate': 'Bearer' },
  });

/** A cookie is sent by the browser whoever asked it to, so a change must come from our own pages. */
function tokenOf(request: FastifyRequest): string {
  const { token, fromCookie } = presentedToken(request.headers);
  if (token === '' || !fromCookie || isRead(request.method) || isOwnPage(request.headers))
    return token;
  throw new ServiceError({
    status: 403,
    code: 'cross-site-request',
    detail: 'A request with the session cookie must come from this site.',
  });
}

/** On routes that need no session: a token whose cookie another site may have sent along does not count. */
function ownToken(request: FastifyRequest): string {
  const { token, fromCookie } = presentedToken(request.headers);
  return fromCookie && !isOwnPage(request.headers) ? '' : token;
}

const isRead = (method: string) => method === 'GET' || method === 'HEAD';
