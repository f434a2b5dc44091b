/** Accounts over HTTP: register, login, logout, password, me. */
import { isoFromUs, ServiceError } from '../ports.ts';
import type { Answer, Call, JsonSchema, Route } from '../route.ts';
import type { Created, Origin, Passwords, SessionStore, UserStore } from './contract.ts';

export interface SessionServices {
  readonly sessions: SessionStore;
  readonly users: UserStore;
  readonly passwords: Passwords;
}

const password: JsonSchema = { type: 'string', minLength: 8, maxLength: 128 };

const credentials: JsonSchema = {
  type: 'object',
  required: ['email', 'password'],
  additionalProperties: false,
  properties: {
    email: { type: 'string', maxLength: 254, pattern: '^[^\\s@\\u0000]+@[^\\s@\\u0000]+$' },
    password,
  },
};

const user: JsonSchema = {
  type: 'object',
  required: ['id', 'email', 'createdAt'],
  properties: {
    id: { type: 'string' },
    email: { type: 'string' },
    createdAt: { type: 'string', format: 'date-time' },
  },
};

export const newSession: JsonSchema = {
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

export const answerNewSession = ({ token, session }: Created): Answer => ({
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

/** The browser forgets the session, and what pages kept of it. */
export const answerLoggedOut: Answer = {
  status: 204,
  sessionCookie: null,
  headers: { 'clear-site-data': '"cache", "cookies", "storage"' },
};

export const sessionGone = (): ServiceError =>
  new ServiceError({
    status: 401,
    code: 'unauthenticated',
    detail: 'Log in first: this needs a session that has not ended.',
    headers: { 'www-authenticate': 'Bearer' },
  });

export function accountRoutes(given: SessionServices): readonly Route[] {
  return [
    registerRoute(given),
    loginRoute(given),
    logoutRoute(given),
    passwordRoute(given),
    meRoute(given),
  ];
}

const registerRoute = ({ users, passwords }: SessionServices): Route => ({
  method: 'POST',
  url: '/register',
  summary: 'Create an account',
  access: 'register',
  action: 'user.register',
  resourceType: 'user',
  whenDegraded: 'closed',
  body: credentials,
  answers: { 201: user },
  problems: [409],
  async handle({ body, trail, recordIn }) {
    const hash = await passwords.hash(body.password as string);
    const created = await users.create(normalised(body.email), hash, recordIn);
    if (!created) {
      throw new ServiceError({
        status: 409,
        code: 'email-taken',
        detail: 'An account with this address exists.',
      });
    }
    trail.userId = created.id;
    trail.organisationId = created.organisationId;
    trail.resourceId = created.id;
    return { status: 201, body: { ...created } };
  },
});

const loginRoute = ({ sessions, users, passwords }: SessionServices): Route => ({
  method: 'POST',
  url: '/login',
  summary: 'Start a session; one that is presented ends',
  access: 'login',
  action: 'session.login',
  resourceType: 'session',
  whenDegraded: 'closed',
  body: credentials,
  answers: { 200: newSession },
  problems: [401],
  async handle(call) {
    const { body, token, trail } = call;
    const origin = originOf(call);
    const known = await users.findByEmail(normalised(body.email));
    if (known) trail.userId = known.id;
    if (known) trail.organisationId = known.organisationId;
    const valid = await passwords.verify(body.password as string, known?.passwordHash ?? null);
    const created =
      known && valid
        ? await sessions.create({ ...known, userId: known.id, presented: token }, origin)
        : null;
    if (created) {
      trail.sessionId = created.session.id;
      return answerNewSession(created);
    }
    await sessions.refuse(known?.id ?? null, origin);
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
  // A session that has ended may log out: its first logout may have failed to be confirmed.
  access: 'token',
  action: 'session.logout',
  resourceType: 'session',
  answers: { 204: null },
  async handle(call) {
    const { token, trail } = call;
    const session = token === '' ? null : await sessions.end(token, originOf(call));
    if (!session) throw sessionGone();
    trail.userId = session.userId;
    trail.organisationId = session.organisationId;
    trail.sessionId = session.id;
    return answerLoggedOut;
  },
});

const passwordRoute = ({ sessions, users, passwords }: SessionServices): Route => ({
  method: 'POST',
  url: '/password',
  summary: 'Change the password; every other session ends, this one gets another token',
  access: 'session',
  action: 'user.password',
  resourceType: 'user',
  whenDegraded: 'closed',
  body: {
    type: 'object',
    required: ['currentPassword', 'newPassword'],
    additionalProperties: false,
    properties: { currentPassword: password, newPassword: password },
  },
  answers: { 200: newSession },
  async handle(call) {
    const { session, body, trail } = call;
    const { userId } = session!;
    trail.resourceId = userId;
    const current = await users.credentials(userId);
    const from = current?.passwordHash ?? null;
    const valid = await passwords.verify(body.currentPassword as string, from);
    if (!valid || from === null) {
      throw new ServiceError({
        status: 403,
        code: 'wrong-password',
        detail: 'The current password is wrong.',
      });
    }
    const to = await passwords.hash(body.newPassword as string);
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
  whenUnaudited: 'local-log',
  answers: { 200: user },
  problems: [404],
  async handle({ userId, trail }) {
    trail.resourceId = userId;
    const found = await users.find(userId);
    if (found) return { status: 200, body: { ...found } };
    throw new ServiceError({
      status: 404,
      code: 'user-not-found',
      detail: 'Your account no longer exists.',
    });
  },
});
