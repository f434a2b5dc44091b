/** Accounts and sessions over HTTP: register, login, logout, me. */
import { isoFromUs, ServiceError } from '../ports.ts';
import type { JsonSchema, Route } from '../route.ts';
import type { Passwords, SessionStore, UserStore } from './contract.ts';

interface Given {
  readonly sessions: SessionStore;
  readonly users: UserStore;
  readonly passwords: Passwords;
}

const credentials: JsonSchema = {
  type: 'object',
  required: ['email', 'password'],
  additionalProperties: false,
  properties: {
    email: { type: 'string', maxLength: 254, pattern: '^[^\\s@\\u0000]+@[^\\s@\\u0000]+$' },
    password: { type: 'string', minLength: 8, maxLength: 128 },
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

const login: JsonSchema = {
  type: 'object',
  required: ['token', 'userId', 'endsAt'],
  properties: {
    token: { type: 'string', description: 'Send as a bearer token; shown once.' },
    userId: { type: 'string' },
    endsAt: { type: 'string', format: 'date-time' },
  },
};

const normalised = (email: unknown) => String(email).trim().toLowerCase();

export function sessionRoutes(given: Given): readonly Route[] {
  return [registerRoute(given), loginRoute(given), logoutRoute(given), meRoute(given)];
}

const registerRoute = ({ users, passwords }: Given): Route => ({
  method: 'POST',
  url: '/register',
  summary: 'Create an account',
  access: 'register',
  action: 'user.register',
  resourceType: 'user',
  body: credentials,
  answers: { 201: user },
  problems: [409],
  async handle({ body, trail }) {
    const hash = await passwords.hash(body.password as string);
    const created = await users.create(normalised(body.email), hash);
    if (!created) {
      throw new ServiceError({
        status: 409,
        code: 'email-taken',
        detail: 'An account with this address exists.',
      });
    }
    trail.userId = created.id;
    trail.resourceId = created.id;
    return { status: 201, body: { ...created } };
  },
});

const loginRoute = ({ sessions, users, passwords }: Given): Route => ({
  method: 'POST',
  url: '/login',
  summary: 'Start a session',
  access: 'login',
  action: 'session.login',
  resourceType: 'session',
  body: credentials,
  answers: { 200: login },
  problems: [401],
  async handle({ body, trail }) {
    const known = await users.findByEmail(normalised(body.email));
    if (known) trail.userId = known.id;
    const valid = await passwords.verify(body.password as string, known?.passwordHash ?? null);
    if (!known || !valid) {
      throw new ServiceError({
        status: 401,
        code: 'invalid-credentials',
        detail: 'Address or password is wrong.',
        headers: { 'www-authenticate': 'Bearer' },
      });
    }
    const { token, session } = await sessions.create(known.id);
    const endsAt = isoFromUs(session.endsAtMs * 1_000);
    return { status: 200, body: { token, userId: known.id, endsAt }, sessionCookie: token };
  },
});

const logoutRoute = ({ sessions }: Given): Route => ({
  method: 'POST',
  url: '/logout',
  summary: 'End this session at once',
  access: 'session',
  action: 'session.logout',
  resourceType: 'session',
  answers: { 204: null },
  async handle({ token }) {
    await sessions.end(token);
    return { status: 204, sessionCookie: null };
  },
});

const meRoute = ({ users }: Given): Route => ({
  method: 'GET',
  url: '/me',
  summary: 'Who you are',
  access: 'session',
  action: 'user.read',
  resourceType: 'user',
  answers: { 200: user },
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
