/**
 * Authentication and limits, before every handler: client address, session or API key, limits. A refusal is thrown as a
 * problem; by then the audit context names the user, so it is audited like any other response, and nothing was written
 * to the session. A credential that is not valid counts against its address before it is refused.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiKeys, KeyPrincipal } from '../../api-keys/contract.ts';
import { isKeyToken } from '../../api-keys/token.ts';
import { ServiceError, type ThrottleRead } from '../../ports.ts';
import type { Route } from '../../route.ts';
import type { CachedSession, Session, SessionStore } from '../../sessions/contract.ts';
import type { Principal } from '../limits/limit-request.ts';
import type { CacheMiss } from '../limits/request-limits.ts';
import {
  limitAnonymousCheck,
  limitSessionCheck,
  type PasswordHookDependencies,
} from './password-hooks.ts';
import { presentedToken } from './presented-token.ts';
import { createRequestContext, type RequestContext, setPrincipal } from './request-context.ts';
import { type AuthHooks, type Hook, toHook } from './route-hooks.ts';

interface AuthDependencies extends PasswordHookDependencies {
  readonly sessions: Pick<SessionStore, 'check' | 'findCached' | 'countCacheHit' | 'touch'>;
  readonly apiKeys: Pick<ApiKeys, 'authenticate'>;
}

export const createAuthHooks =
  (dependencies: AuthDependencies) =>
  (route: Route): AuthHooks => {
    switch (route.access) {
      case 'session':
      case 'session-or-key':
        return route.checksPassword
          ? limitSessionCheck(dependencies, route, authenticateAndLimit(dependencies, route))
          : { onRequest: authenticateAndLimit(dependencies, route) };
      case 'token':
        return deferAuthentication(dependencies);
      case 'register':
      case 'login':
        return limitAnonymousCheck(dependencies, route);
      default:
        return route.access satisfies never;
    }
  };

/**
 * A session in the local cache is verified by the limiter's own script, in one round trip to Redis. If that does not
 * prove it live, and for every other credential, authentication comes first and the limits after it.
 */
function authenticateAndLimit(dependencies: AuthDependencies, route: Route): Hook {
  const { sessions, limits } = dependencies;
  const { routeClass, onLimiterDown = 'share' } = route;

  const authenticateThenLimit = async (
    request: FastifyRequest,
    reply: FastifyReply,
    cacheMiss?: CacheMiss,
  ): Promise<void> => {
    const context = request.requestContext!;
    const throttle = limits.throttleReads(reply, context.address);
    const identity = await identify(dependencies, context.token, route, throttle);
    if (identity instanceof ServiceError)
      throw await countAuthFailure(dependencies, reply, context, identity);
    const { session, key, principal } = identity;
    setPrincipal(context, session, key);
    const limitContext = { principal, address: context.address, routeClass };
    context.taken.ofRequest.push(
      await limits.limitPrincipal(reply, limitContext, onLimiterDown, cacheMiss),
    );
    if (session) await sessions.touch(session);
  };

  const limitFromLocalCache = (
    { session, proof }: CachedSession,
    request: FastifyRequest,
    reply: FastifyReply,
  ) => {
    const context = request.requestContext!;
    const principal = principalOf(session);
    const limitContext = { principal, address: context.address, routeClass };
    return limits.limitFromLocalCache(reply, limitContext, proof, (refund) => {
      sessions.countCacheHit();
      context.taken.ofRequest.push(refund);
      setPrincipal(context, session, null);
    });
  };

  return (request, reply, done) => {
    const token = requireSameSiteToken(dependencies, request);
    request.requestContext = createRequestContext(dependencies, request, token);
    const authenticate = (cacheMiss?: CacheMiss) =>
      void authenticateThenLimit(request, reply, cacheMiss).then(() => done(), done);
    const cached = isKeyToken(token) ? null : sessions.findCached(token);
    if (!cached) return authenticate();
    limitFromLocalCache(cached, request, reply).then((cacheMiss) => {
      if (cacheMiss) return authenticate(cacheMiss);
      const touched = sessions.touch(cached.session);
      if (touched instanceof Promise) touched.then(() => done(), done);
      else done();
    }, done);
  };
}

const principalOf = ({ userId, organisationId }: Session): Principal => ({
  kind: 'session',
  userId,
  organisationId,
});

/** The route judges the token itself; a 401 from it counts against the address. */
function deferAuthentication(dependencies: AuthDependencies): AuthHooks {
  const { limits, sessions } = dependencies;
  return {
    onRequest: toHook(async (request, reply) => {
      const token = requireSameSiteToken(dependencies, request);
      const context = createRequestContext(dependencies, request, token);
      request.requestContext = context;
      const throttle = limits.throttleReads(reply, context.address);
      // From an address without reads left: a session that Redis knows is let through all the same.
      const isSpent = limits.isFailureBudgetSpent(context.address);
      if (!isSpent || !(await sessions.check(token, throttle))) context.throttleRead = throttle;
    }),
    async wrapHandler(request, reply, handle) {
      try {
        return await handle();
      } catch (error) {
        if (!(error instanceof ServiceError) || error.status !== 401) throw error;
        throw await countAuthFailure(dependencies, reply, request.requestContext!, error);
      }
    },
  };
}

/** Returns the 401 to throw, or throws the 429 of an address with too many of them. */
async function countAuthFailure(
  { limits }: AuthDependencies,
  reply: FastifyReply,
  { address }: RequestContext,
  refusal: ServiceError,
): Promise<ServiceError> {
  await limits.limitAddress(reply, 'unauthenticated', { address, onLimiterDown: 'share' });
  return refusal;
}

interface Identity {
  readonly session: Session | null;
  readonly key: KeyPrincipal | null;
  readonly principal: Principal;
}

async function identify(
  { sessions, apiKeys }: AuthDependencies,
  token: string,
  { access }: Route,
  throttle: ThrottleRead,
): Promise<ServiceError | Identity> {
  if (token === '') return unauthenticated();
  if (!isKeyToken(token)) {
    const session = await sessions.check(token, throttle);
    if (!session) return unauthenticated();
    return { session, key: null, principal: principalOf(session) };
  }
  if (access !== 'session-or-key') return sessionRequired();
  const key = await apiKeys.authenticate(token, throttle);
  return key ? { session: null, key, principal: { kind: 'key', key } } : unauthenticated();
}

const unauthenticated = () =>
  new ServiceError({
    status: 401,
    code: 'unauthenticated',
    detail: 'Log in first: this needs a session that has not ended.',
    headers: { 'www-authenticate': 'Bearer' },
  });

/** The same for every key: it is not looked up, so the response does not tell whether it is valid. */
const sessionRequired = () =>
  new ServiceError({
    status: 403,
    code: 'session-needed',
    detail: 'API keys open the product, not accounts: this needs a session.',
    headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' },
  });

/** Against CSRF: a browser attaches the cookie to requests of other sites too, so a change must be same-origin. */
function requireSameSiteToken({ isOwnPage }: AuthDependencies, request: FastifyRequest): string {
  const { token, fromCookie } = presentedToken(request.headers);
  if (token === '' || !fromCookie || isSafeMethod(request.method) || isOwnPage(request.headers))
    return token;
  throw new ServiceError({
    status: 403,
    code: 'cross-site-request',
    detail: 'A request with the session cookie must come from this site.',
  });
}

const isSafeMethod = (method: string) => method === 'GET' || method === 'HEAD';
