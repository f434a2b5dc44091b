/** Accounts over HTTP: register, login, logout, password, me. */
import type { Authorize } from '../../authorization.ts';
import { PLATFORM_TENANT } from '../../platform-tenant.ts';
import { isoFromUs, ServiceError } from '../../ports.ts';
import type { Call, JsonSchema, Route, RouteResponse } from '../../route.ts';
import type { CreatedSession, Origin, Passwords, SessionStore, UserStore } from '../contract.ts';
import { readCommonPasswords } from './common-passwords.ts';
import { findWeakness } from './password-policy.ts';

export interface SessionServices {
  readonly sessions: SessionStore;
  readonly users: UserStore;
  readonly passwords: Passwords;
  readonly authorize: Authorize;
}

const passwordSchema: JsonSchema = { type: 'string', minLength: 8, maxLength: 128 };

const credentialsSchema: JsonSchema = {
  type: 'object',
  required: ['email', 'password'],
  additionalProperties: false,
  properties: {
    email: { type: 'string', maxLength: 254, pattern: '^[^\\s@\\u0000]+@[^\\s@\\u0000]+$' },
    password: passwordSchema,
  },
};

const userSchema: JsonSchema = {
  type: 'object',
  required: ['id', 'email', 'createdAt'],
  properties: {
    id: { type: 'string' },
    email: { type: 'string' },
    createdAt: { type: 'string', format: 'date-time' },
  },
};

const registeredSchema: JsonSchema = {
  type: 'object',
  required: ['detail'],
  properties: { detail: { type: 'string' } },
};

export const newSessionSchema: JsonSchema = {
  type: 'object',
  required: ['token', 'sessionId', 'userId', 'endsAt'],
  properties: {
    token: { type: 'string', description: 'Send as a bearer token; shown once.' },
    sessionId: { type: 'string', description: 'Names the session; opens nothing.' },
    userId: { type: 'string' },
    endsAt: { type: 'string', format: 'date-time' },
  },
};

const normalised = (email: unknown) => String(email).trim().toLowerCase();

export const answerNewSession = ({ token, session }: CreatedSession): RouteResponse => ({
  status: 200,
  body: {
    token,
    sessionId: session.id,
    userId: session.userId,
    endsAt: isoFromUs(session.endsAtMs * 1_000),
  },
  sessionCookie: token,
});

export const originOf = ({ origin, recordIn }: Call): Origin => ({ ...origin, recordIn });

/** Clears the session's cookie and what pages stored; the device stays known. */
export const answerLoggedOut: RouteResponse = {
  status: 204,
  sessionCookie: null,
  headers: { 'clear-site-data': '"cache", "storage"' },
};

export const sessionGone = (): ServiceError =>
  new ServiceError({
    status: 401,
    code: 'unauthenticated',
    detail: 'Log in first: this needs a session that has not ended.',
    headers: { 'www-authenticate': 'Bearer' },
  });

/** Throws a 400 that names the field of the body. */
type RefuseWeak = (field: string, body: Call['body'], email: string) => void;

const weaknesses = {
  'common-password': 'This password, or one much like it, is among those that are tried first.',
  'personal-password': 'This password is made of your own address or name.',
};

const createRefuseWeak =
  (common: ReadonlySet<string>): RefuseWeak =>
  (field, body, email) => {
    const code = findWeakness(String(body[field]), { email, common });
    if (code === null) return;
    const detail = `${weaknesses[code]} Choose another, several words for example.`;
    const errors = [{ pointer: `/body/${field}`, detail }];
    throw new ServiceError({ status: 400, code, detail, members: { errors } });
  };

export function accountRoutes(given: SessionServices): readonly Route[] {
  const refuseWeak = createRefuseWeak(readCommonPasswords());
  return [
    registerRoute(given, refuseWeak),
    loginRoute(given),
    logoutRoute(given),
    passwordRoute(given, refuseWeak),
    meRoute(given),
  ];
}

/** The same for every address: the answer does not tell which of them have an account. */
const REGISTERED =
  'If the address was free, the account is there: log in. If it was taken, nothing has changed, and its owner finds this in their log.';

const registerRoute = ({ users, passwords }: SessionServices, refuseWeak: RefuseWeak): Route => ({
  method: 'POST',
  url: '/register',
  summary: 'Create an account, if the address is free; the answer does not tell',
  access: 'register',
  action: 'user.register',
  resourceType: 'user',
  onLimiterDown: 'closed',
  body: credentialsSchema,
  responses: { 202: registeredSchema },
  async handle({ body, address, auditContext, recordIn }) {
    const email = normalised(body.email);
    refuseWeak('password', body, email);
    // Until it is known whose address it is.
    Object.assign(auditContext, PLATFORM_TENANT);
    const hash = await passwords.hash(body.password as string, { address, account: email });
    const { user, isNew } = await users.create(email, hash, recordIn);
    auditContext.userId = user.id;
    auditContext.organisationId = user.organisationId;
    auditContext.resourceId = user.id;
    if (!isNew) auditContext.denial = 'address-taken';
    return { status: 202, body: { detail: REGISTERED } };
  },
});

const loginRoute = ({ sessions, users, passwords }: SessionServices): Route => ({
  method: 'POST',
  url: '/login',
  summary: 'Start a session; one that is presented ends',
  access: 'login',
  action: 'session.login',
  resourceType: 'session',
  onLimiterDown: 'closed',
  body: credentialsSchema,
  responses: { 200: newSessionSchema },
  problems: [401],
  async handle(call) {
    const { body, token, address, auditContext } = call;
    const origin = originOf(call);
    const email = normalised(body.email);
    const known = await users.findByEmail(email);
    // An unknown address is on record too, so that the answer waits for an event in every case.
    auditContext.userId = known?.id ?? PLATFORM_TENANT.userId;
    auditContext.organisationId = known?.organisationId ?? PLATFORM_TENANT.organisationId;
    const passwordHash = known?.passwordHash ?? null;
    const turn = { address, account: email };
    const valid = await passwords.verify(body.password as string, passwordHash, turn);
    const created =
      known && valid && passwordHash !== null
        ? await sessions.create({ userId: known.id, passwordHash, presentedToken: token }, origin)
        : null;
    if (created) {
      auditContext.sessionId = created.session.id;
      return answerNewSession(created);
    }
    call.keepLimitUnits();
    await sessions.recordRefusedLogin(known?.id ?? null, origin);
    throw new ServiceError({
      status: 401,
      code: 'invalid-credentials',
      detail: 'Address or password is wrong.',
      headers: { 'www-authenticate': 'Bearer' },
    });
  },
});

const logoutRoute = ({ sessions }: SessionServices): Route => ({
  method: 'POST',
  url: '/logout',
  summary: 'End this session at once; may be repeated',
  // An ended session may log out again: its first logout may have been answered with 503.
  access: 'token',
  action: 'session.logout',
  resourceType: 'session',
  responses: { 204: null },
  async handle(call) {
    const { token, throttleRead, auditContext } = call;
    const session = token === '' ? null : await sessions.end(token, originOf(call), throttleRead);
    if (!session) throw sessionGone();
    auditContext.userId = session.userId;
    auditContext.organisationId = session.organisationId;
    auditContext.sessionId = session.id;
    return answerLoggedOut;
  },
});

const passwordRoute = (
  { sessions, users, passwords }: SessionServices,
  refuseWeak: RefuseWeak,
): Route => ({
  method: 'POST',
  url: '/password',
  summary:
    'Change the password; every other session ends, this one gets another token, and your API keys are revoked',
  access: 'session',
  checksPassword: true,
  action: 'user.password',
  resourceType: 'user',
  onLimiterDown: 'closed',
  body: {
    type: 'object',
    required: ['currentPassword', 'newPassword'],
    additionalProperties: false,
    properties: { currentPassword: passwordSchema, newPassword: passwordSchema },
  },
  responses: { 200: newSessionSchema },
  async handle(call) {
    const { session, body, address, auditContext } = call;
    const { userId } = session!;
    const turn = { address, account: userId };
    auditContext.resourceId = userId;
    // Before the hashes, which are what this costs.
    refuseWeak('newPassword', body, (await users.find(userId))?.email ?? '');
    const current = await users.findCredentials(userId);
    const from = current?.passwordHash ?? null;
    const valid = await passwords.verify(body.currentPassword as string, from, turn);
    if (!valid || from === null) {
      call.keepLimitUnits();
      throw new ServiceError({
        status: 403,
        code: 'wrong-password',
        detail: 'The current password is wrong.',
      });
    }
    const to = await passwords.hash(body.newPassword as string, turn);
    const created = await sessions.changePassword(session!, { from, to }, originOf(call));
    if (!created) throw sessionGone();
    return answerNewSession(created);
  },
});

const meRoute = ({ users }: SessionServices): Route => ({
  method: 'GET',
  url: '/me',
  summary: 'Who you are',
  access: 'session',
  action: 'user.read',
  resourceType: 'user',
  onAuditDown: 'local-log',
  responses: { 200: userSchema },
  problems: [404],
  async handle({ userId, auditContext }) {
    auditContext.resourceId = userId;
    const found = await users.find(userId);
    if (found) return { status: 200, body: { ...found } };
    throw new ServiceError({
      status: 404,
      code: 'user-not-found',
      detail: 'Your account no longer exists.',
    });
  },
});
