/**
 * Keys and agents over HTTP, for their owner with a session: a leaked key cannot create more keys. While limits cannot
 * be enforced, creation is refused; revocation never is.
 */
import type { Authorize, Membership } from '../authorization.ts';
import { ServiceError } from '../ports.ts';
import type { JsonSchema, Route } from '../route.ts';
import type { ApiKeys } from './contract.ts';
import { DEFAULT_LIFETIME_DAYS, MAX_LIFETIME_DAYS } from './lifetime.ts';
import { MAX_KEYS } from './store.ts';
import { MAX_SLOTS } from './token.ts';

const createdAt: JsonSchema = { type: 'string', format: 'date-time' };
const token: JsonSchema = { type: 'string', description: 'Send as a bearer token; shown once.' };

const keyFields = {
  id: { type: 'string' },
  name: { type: 'string' },
  createdAt,
  expiresAt: { ...createdAt, description: 'Refused from then on, with all its agents.' },
  agents: { type: 'integer', description: 'Agents enrolled now.' },
};
const agentFields = {
  slot: { type: 'integer', description: 'Its place on the key; given out again after it.' },
  name: { type: 'string' },
  createdAt,
};

const object = (properties: Readonly<Record<string, JsonSchema>>): JsonSchema => ({
  type: 'object',
  required: Object.keys(properties),
  properties,
});
const listOf = (properties: Readonly<Record<string, JsonSchema>>): JsonSchema =>
  object({ items: { type: 'array', items: object(properties) } });

const nameProperties = {
  // PostgreSQL text cannot hold U+0000.
  name: { type: 'string', minLength: 1, maxLength: 100, pattern: '^[^\\u0000]*$' },
};
const nameBody: JsonSchema = {
  type: 'object',
  required: ['name'],
  additionalProperties: false,
  properties: nameProperties,
};
const keyBody: JsonSchema = {
  ...nameBody,
  properties: {
    ...nameProperties,
    lifetimeDays: {
      type: 'integer',
      minimum: 1,
      maximum: MAX_LIFETIME_DAYS,
      default: DEFAULT_LIFETIME_DAYS,
      description: 'Days until it expires.',
    },
  },
};
const id = { type: 'string', pattern: '^[1-9][0-9]{0,17}$' };
const slot = { type: 'string', pattern: '^[1-9][0-9]{0,2}$' };
const keyParams: JsonSchema = object({ id });

export interface KeyOwners {
  readonly authorize: Authorize;
  findMembership(userId: string): Promise<Membership | null>;
}

export function apiKeyRoutes(keys: ApiKeys, owners: KeyOwners): readonly Route[] {
  return [
    createRoute(keys),
    listRoute(keys),
    revokeRoute(keys),
    enrolRoute(keys),
    agentsRoute(keys),
    revokeAgentRoute(keys),
    revokeAllRoute(keys, owners),
  ];
}

const createRoute = (keys: ApiKeys): Route => ({
  method: 'POST',
  url: '/keys',
  summary: `Make an API key; it expires after ${DEFAULT_LIFETIME_DAYS} days, or after as many as are given`,
  access: 'session',
  onLimiterDown: 'closed',
  action: 'key.create',
  resourceType: 'key',
  body: keyBody,
  responses: { 201: object({ ...keyFields, token }) },
  problems: [409],
  async handle({ userId, body, auditContext, recordIn }) {
    const lifetimeDays = body.lifetimeDays as number;
    const created = await keys.create(userId, body.name as string, recordIn, lifetimeDays);
    if (created === 'full')
      throw limitReached('keys', `You have ${MAX_KEYS} keys. Revoke one first.`);
    auditContext.resourceId = created.key.id;
    return { status: 201, body: { ...created.key, token: created.token } };
  },
});

const listRoute = (keys: ApiKeys): Route => ({
  method: 'GET',
  url: '/keys',
  summary: 'Your API keys that are not revoked, newest first; expired ones last',
  access: 'session',
  action: 'key.list',
  resourceType: 'key',
  onAuditDown: 'local-log',
  responses: { 200: listOf(keyFields) },
  handle: async ({ userId }) => ({ status: 200, body: { items: await keys.list(userId) } }),
});

const revokeRoute = (keys: ApiKeys): Route => ({
  method: 'DELETE',
  url: '/keys/:id',
  summary: 'Revoke an API key with all its agents; may be repeated',
  access: 'session',
  action: 'key.revoke',
  resourceType: 'key',
  params: keyParams,
  responses: { 204: null },
  problems: [404],
  async handle({ userId, params, auditContext, recordIn }) {
    auditContext.resourceId = params.id!;
    if (await keys.revoke(userId, params.id!, recordIn)) return { status: 204 };
    throw keyNotFound();
  },
});

const enrolRoute = (keys: ApiKeys): Route => ({
  method: 'POST',
  url: '/keys/:id/agents',
  summary: 'Enrol an agent: a place on the key, and a token of its own',
  access: 'session',
  onLimiterDown: 'closed',
  action: 'agent.enrol',
  resourceType: 'agent',
  params: keyParams,
  body: nameBody,
  responses: { 201: object({ ...agentFields, token }) },
  problems: [404, 409],
  async handle({ userId, params, body, auditContext, recordIn }) {
    const enrolled = await keys.enrol(userId, params.id!, body.name as string, recordIn);
    if (!enrolled) throw keyNotFound();
    if (enrolled === 'full')
      throw limitReached('agents', `This key has ${MAX_SLOTS} agents. Revoke one first.`);
    auditContext.resourceId = `${params.id}/${enrolled.agent.slot}`;
    return { status: 201, body: { ...enrolled.agent, token: enrolled.token } };
  },
});

const agentsRoute = (keys: ApiKeys): Route => ({
  method: 'GET',
  url: '/keys/:id/agents',
  summary: 'The agents enrolled to a key, by place',
  access: 'session',
  action: 'agent.list',
  resourceType: 'agent',
  onAuditDown: 'local-log',
  params: keyParams,
  responses: { 200: listOf(agentFields) },
  problems: [404],
  async handle({ userId, params }) {
    const items = await keys.agents(userId, params.id!);
    if (items) return { status: 200, body: { items } };
    throw keyNotFound();
  },
});

const revokeAgentRoute = (keys: ApiKeys): Route => ({
  method: 'DELETE',
  url: '/keys/:id/agents/:slot',
  summary: 'Revoke the agent in a place, which is free again; may be repeated',
  access: 'session',
  action: 'agent.revoke',
  resourceType: 'agent',
  params: object({ id, slot }),
  responses: { 204: null },
  problems: [404],
  async handle({ userId, params, auditContext, recordIn }) {
    auditContext.resourceId = `${params.id}/${params.slot}`;
    const slot = Number(params.slot);
    if (await keys.revokeAgent(userId, params.id!, slot, recordIn)) return { status: 204 };
    throw new ServiceError({
      status: 404,
      code: 'agent-not-found',
      detail: 'No agent of yours was ever enrolled there.',
    });
  },
});

const revokeAllRoute = (keys: ApiKeys, { authorize, findMembership }: KeyOwners): Route => ({
  method: 'POST',
  url: '/admin/users/:id/revoke-keys',
  summary: 'Revoke all API keys of a user; for administrators of the organisation and operators',
  access: 'session',
  action: 'key.revoke-user',
  resourceType: 'user',
  params: keyParams,
  responses: {
    200: object({ revoked: { type: 'integer', description: 'Keys revoked by this request.' } }),
  },
  problems: [404],
  async handle(call) {
    const ownerId = call.params.id!;
    const { resource } = await authorize(call, 'user.revoke-keys', async () => {
      const found = await findMembership(ownerId);
      return found && { kind: 'user', ownerId, ...found };
    });
    const revoked = await keys.revokeAll(ownerId, resource.organisationId!, call.recordIn);
    return { status: 200, body: { revoked } };
  },
});

const keyNotFound = () =>
  new ServiceError({
    status: 404,
    code: 'key-not-found',
    detail: 'You have no API key with this id.',
  });

const limitReached = (what: 'keys' | 'agents', detail: string) =>
  new ServiceError({ status: 409, code: `too-many-${what}`, detail });
