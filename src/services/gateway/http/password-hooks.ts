/**
 * Limits of the routes that hash a password: login, registration, and whatever asks a session for its password. All are
 * counted before the hash, which is what they cost, by address and by account, and given back when the check succeeds.
 * A known device of the account is counted apart from strangers, and so are its sessions.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Route, RouteResponse } from '../../route.ts';
import type { SessionStore, UserStore } from '../../sessions/contract.ts';
import { SESSIONS_AS_DEVICE } from '../limits/limit-request.ts';
import { refundPasswordCheck } from '../limits/refunds.ts';
import type { RequestLimits } from '../limits/request-limits.ts';
import { DEVICE_COOKIE, DEVICE_LIFETIME_SECONDS, type DeviceCookies } from './device-cookie.ts';
import type { IsOwnPage } from './own-origin.ts';
import { sameSiteToken } from './presented-token.ts';
import { createRequestContext, type RequestContextSources } from './request-context.ts';
import { type AuthHooks, type Hook, toHook } from './route-hooks.ts';

export interface PasswordHookDependencies extends RequestContextSources {
  readonly limits: RequestLimits;
  readonly isOwnPage: IsOwnPage;
  readonly devices: DeviceCookies;
  readonly users: Pick<UserStore, 'find'>;
  readonly sessions: Pick<SessionStore, 'check'>;
}

/** Of login and registration: the request has no principal, and the body names the account. */
export function limitAnonymousCheck(
  dependencies: PasswordHookDependencies,
  route: Route,
): AuthHooks {
  const { isOwnPage, devices } = dependencies;
  const isLogin = route.access === 'login';
  const knownDeviceOf = ({ headers }: FastifyRequest) => (isLogin ? devices.read(headers) : null);
  const emailOf = ({ body }: FastifyRequest) => (body as { email: string }).email;
  return {
    onRequest: toHook(async (request, reply) => {
      const token = sameSiteToken(request.headers, isOwnPage);
      request.requestContext = createRequestContext(dependencies, request, token);
      // Whether the device is known for the account, the body says.
      if (!knownDeviceOf(request)) await limitAddress(dependencies, route, request, reply);
    }),
    preHandler: toHook(async (request, reply) => {
      const email = emailOf(request);
      const device = knownDeviceOf(request);
      const isKnown = device?.isOf(email) ?? false;
      if (device && !isKnown) await limitAddress(dependencies, route, request, reply);
      const id = isKnown ? device!.id : null;
      await limitAccount(dependencies, route, request, reply, { email, device: id });
    }),
    ...(isLogin && {
      wrapHandler: (request, reply, handle) => {
        const email = emailOf(request);
        return refundOnSuccess(dependencies, request, async () => {
          const response = await handle();
          setDevice(reply, devices.issue(email, knownDeviceOf(request)));
          return response;
        });
      },
    }),
  };
}

/** Of a session whose password is asked for again. */
export function limitSessionCheck(
  dependencies: PasswordHookDependencies,
  route: Route,
  authenticate: Hook,
): AuthHooks {
  return {
    onRequest: authenticate,
    preHandler: toHook(async (request, reply) => {
      const user = await dependencies.users.find(request.requestContext!.userId);
      // An account that has gone meanwhile has no password to guess.
      if (!user) return;
      const check = { email: user.email, device: SESSIONS_AS_DEVICE };
      await limitAccount(dependencies, route, request, reply, check);
    }),
    wrapHandler: (request, _reply, handle) => refundOnSuccess(dependencies, request, handle),
  };
}

async function limitAddress(
  { limits }: PasswordHookDependencies,
  { access, onLimiterDown = 'share' }: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const { address, taken } = request.requestContext!;
  const policy = access === 'login' ? 'login' : 'register';
  const refund = await limits.limitAddress(reply, policy, { address, onLimiterDown });
  taken.ofPasswordCheck.push(refund);
}

async function limitAccount(
  { limits }: PasswordHookDependencies,
  { onLimiterDown = 'share' }: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  check: { email: string; device: string | null },
): Promise<void> {
  const { address, taken } = request.requestContext!;
  try {
    const refund = await limits.limitAccount(reply, { ...check, address, onLimiterDown });
    taken.ofPasswordCheck.push(refund);
  } catch (error) {
    await refundPasswordCheck(taken);
    throw error;
  }
}

async function refundOnSuccess(
  { limits, sessions }: PasswordHookDependencies,
  request: FastifyRequest,
  handle: () => RouteResponse | Promise<RouteResponse>,
): Promise<RouteResponse> {
  const response = await handle();
  const { address, taken } = request.requestContext!;
  await refundPasswordCheck(taken);
  // Where no reads are left for unknown tokens, the new session must not be one: this brings its copy to Redis.
  if (response.sessionCookie && limits.isFailureBudgetSpent(address))
    await sessions.check(response.sessionCookie).catch(() => null);
  return response;
}

function setDevice(reply: FastifyReply, value: string): void {
  reply.setCookie(DEVICE_COOKIE, value, {
    path: '/',
    secure: true,
    httpOnly: true,
    sameSite: 'lax',
    maxAge: DEVICE_LIFETIME_SECONDS,
  });
}
