/**
 * What stands before every handler: where from (address), who is it (session or API key), may they now (limits). A
 * refusal is thrown as a problem; by then the trail names the user, so it is audited like any other answer, and
 * nothing was written to the session. A credential that opens nothing is counted for its address before it is refused.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiKeys, KeyCaller } from '../api-keys/contract.ts';
import { isKeyToken } from '../api-keys/token.ts';
import { ServiceError } from '../ports.ts';
import type { Answer, Route } from '../route.ts';
import type { Recalled, Session, SessionStore } from '../sessions/contract.ts';
import { introduce, type Passage, type PassageSources, passageOf } from './passage.ts';
import { isOwnPage, presentedToken } from './presented-token.ts';
import type { Caller } from './question.ts';
import type { Refund, RequestLimits, Unproven } from './request-limits.ts';

type Step = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void;
type Work = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

const step =
  (work: Work): Step =>
  (request, reply, done) => {
    work(request, reply).then(() => done(), done);
  };

export interface Guard {
  /** Before the body is read. */
  readonly arrived: Step;
  /** Where the body decides as well. */
  readonly understood?: Step;
  /** Around the handler. */
  handled?(
    request: FastifyRequest,
    reply: FastifyReply,
    answer: Answer | Promise<Answer>,
  ): Promise<Answer>;
}

interface Doorkeeper extends PassageSources {
  readonly sessions: Pick<SessionStore, 'check' | 'recall' | 'confirmed' | 'used'>;
  readonly apiKeys: Pick<ApiKeys, 'authenticate'>;
  readonly limits: RequestLimits;
}

export const createGuard =
  (given: Doorkeeper) =>
  (route: Route): Guard => {
    switch (route.access) {
      case 'session':
      case 'session-or-key':
        return { arrived: asSomebody(given, route) };
      case 'token':
        return withToken(given);
      case 'register':
        return { arrived: asNobody(given, route) };
      case 'login':
        return asApplicant(given, route);
      default:
        return route.access satisfies never;
    }
  };

/**
 * A session that this process remembers is looked at in the limiter's own step: one trip to Redis. Where that does not
 * prove it live, and for everybody else, who it is comes first.
 */
function asSomebody(given: Doorkeeper, route: Route): Step {
  const { sessions, limits } = given;
  const { routeClass, whenDegraded = 'share' } = route;

  const checked = async (
    request: FastifyRequest,
    reply: FastifyReply,
    unproven?: Unproven,
  ): Promise<void> => {
    const passage = request.passage!;
    const found = await identify(given, passage.token, route);
    if (found instanceof ServiceError) throw await counted(given, reply, passage, found);
    const { session, key, caller } = found;
    introduce(passage, session, key);
    const asking = { caller, address: passage.address, routeClass };
    await limits.caller(reply, asking, whenDegraded, unproven);
    if (session) await sessions.used(session);
  };

  const recalled = ({ session, proof }: Recalled, request: FastifyRequest, reply: FastifyReply) => {
    const passage = request.passage!;
    const asking = { caller: callerOf(session), address: passage.address, routeClass };
    return limits.recalled(reply, asking, proof, () => {
      sessions.confirmed();
      introduce(passage, session, null);
    });
  };

  return (request, reply, done) => {
    const token = tokenOf(request);
    request.passage = passageOf(given, request, token);
    const check = (unproven?: Unproven) =>
      void checked(request, reply, unproven).then(() => done(), done);
    const known = isKeyToken(token) ? null : sessions.recall(token);
    if (!known) return check();
    recalled(known, request, reply).then((unproven) => {
      if (unproven) return check(unproven);
      const used = sessions.used(known.session);
      if (used instanceof Promise) used.then(() => done(), done);
      else done();
    }, done);
  };
}

const callerOf = ({ userId, organisationId }: Session): Caller => ({
  kind: 'session',
  userId,
  organisationId,
});

function withToken(given: Doorkeeper): Guard {
  return {
    arrived: step(async (request) => {
      request.passage = passageOf(given, request, tokenOf(request));
    }),
    async handled(request, reply, answer) {
      try {
        return await answer;
      } catch (error) {
        if (!(error instanceof ServiceError) || error.status !== 401) throw error;
        throw await counted(given, reply, request.passage!, error);
      }
    },
  };
}

function asNobody(given: Doorkeeper, { access, whenDegraded = 'share' }: Route): Step {
  const policy = access === 'login' ? 'login' : 'register';
  return step(async (request, reply) => {
    const passage = passageOf(given, request, ownToken(request));
    request.passage = passage;
    const { address, refunds } = passage;
    refunds.push(await given.limits.address(reply, policy, { address, whenDegraded }));
  });
}

/** Before the password is hashed, which is what a login costs; given back when it was somebody's. */
function asApplicant(given: Doorkeeper, route: Route): Guard {
  const { whenDegraded = 'share' } = route;
  return {
    arrived: asNobody(given, route),
    understood: step(async (request, reply) => {
      const { address, refunds } = request.passage!;
      const { email } = request.body as { email: string };
      try {
        refunds.push(await given.limits.account(reply, { email, address, whenDegraded }));
      } catch (error) {
        await giveBack(refunds);
        throw error;
      }
    }),
    async handled(request, _reply, answer) {
      const done = await answer;
      await giveBack(request.passage!.refunds);
      return done;
    },
  };
}

/** The refusal, unless the address has had too many of them. */
async function counted(
  { limits }: Doorkeeper,
  reply: FastifyReply,
  { address }: Passage,
  refusal: ServiceError,
): Promise<ServiceError> {
  await limits.address(reply, 'unauthenticated', { address, whenDegraded: 'share' });
  return refusal;
}

interface Identity {
  readonly session: Session | null;
  readonly key: KeyCaller | null;
  readonly caller: Caller;
}

async function identify(
  { sessions, apiKeys }: Doorkeeper,
  token: string,
  { access }: Route,
): Promise<ServiceError | Identity> {
  if (token === '') return unauthenticated();
  if (!isKeyToken(token)) {
    const session = await sessions.check(token);
    if (!session) return unauthenticated();
    return { session, key: null, caller: callerOf(session) };
  }
  if (access !== 'session-or-key') return sessionNeeded();
  const key = await apiKeys.authenticate(token);
  return key ? { session: null, key, caller: { kind: 'key', key } } : unauthenticated();
}

async function giveBack(refunds: Refund[]): Promise<void> {
  await Promise.all(refunds.splice(0).map((refund) => refund()));
}

const unauthenticated = () =>
  new ServiceError({
    status: 401,
    code: 'unauthenticated',
    detail: 'Log in first: this needs a session that has not ended.',
    headers: { 'www-authenticate': 'Bearer' },
  });

/** Whatever the key: it is not looked up, so nothing is said about it. */
const sessionNeeded = () =>
  new ServiceError({
    status: 403,
    code: 'session-needed',
    detail: 'API keys open the product, not accounts: this needs a session.',
    headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' },
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
