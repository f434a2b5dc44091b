/**
 * HTTP routes of the audit log: search, one event, its proof, and the erasure of oneself. Auditors and administrators
 * read the log of their organisation, members what they did themselves; an API key reads none. An operator of the
 * platform reads, by routes of their own, the log of what belongs to no organisation. Each read is itself recorded, in
 * the reader's organisation.
 */
import type { Authorize } from '../authorization.ts';
import { PLATFORM_TENANT } from '../platform-tenant.ts';
import { ServiceError } from '../ports.ts';
import type { Call, JsonSchema, Route, RouteResponse } from '../route.ts';
import type { ProveEvent } from './event-proof.ts';
import type { AuditSearch } from './search/search.ts';
import { ACTOR_PATTERN, type AuditFilter, parseInstant, userOf } from './search/search-request.ts';

/** Erases the caller, whose password is in the body, and records it, in one transaction. */
export type EraseSubject = (call: Call) => Promise<RouteResponse>;

const text: JsonSchema = { type: 'string' };
const nullableText: JsonSchema = { type: 'string', nullable: true };
const instant: JsonSchema = { type: 'string', description: 'UTC with microseconds.' };

const personalFields: JsonSchema = {
  type: 'object',
  nullable: true,
  required: ['ip', 'userAgent'],
  properties: { ip: nullableText, userAgent: nullableText },
};

const eventFields: Readonly<Record<string, JsonSchema>> = {
  eventId: text,
  version: { type: 'integer' },
  occurredAt: instant,
  receivedAt: instant,
  userId: { ...text, description: 'On whose authority.' },
  sessionHash: nullableText,
  keyId: nullableText,
  agent: {
    type: 'integer',
    nullable: true,
    description: 'Place of the agent; 0 is the key itself.',
  },
  action: text,
  resourceType: text,
  resourceId: nullableText,
  outcome: { type: 'string', enum: ['success', 'denied', 'failure'] },
  reason: nullableText,
  requestId: text,
  clientRequestId: {
    ...nullableText,
    description: 'X-Request-Id of the client, percent-encoded; not unique.',
  },
  region: text,
  service: text,
  change: {
    type: 'object',
    nullable: true,
    additionalProperties: true,
    description: "What was `before` and `after`, where another's state changed.",
  },
  personal: personalFields,
  erased: { type: 'boolean', description: 'There were personal fields, and their key is gone.' },
};
const event: JsonSchema = {
  type: 'object',
  required: Object.keys(eventFields),
  properties: eventFields,
};

// PostgreSQL text cannot hold U+0000.
const textParam = (maxLength: number): JsonSchema => ({
  type: 'string',
  minLength: 1,
  maxLength,
  pattern: '^[^\\u0000]*$',
});
const timeParam: JsonSchema = { type: 'string', maxLength: 27 };
const eventIdParams: JsonSchema = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', format: 'uuid' } },
};

/** Whose log a route reads. */
interface LogScope {
  readonly path: string;
  /** Of the recorded action. */
  readonly noun: string;
  readonly whose: string;
  /** Whose events the caller may read; `userId` names one whose events are asked for. */
  readersOf(call: Call, userId?: string | null): Promise<LogReaders>;
}

interface LogReaders {
  readonly organisationId: string;
  /** Null: of every user. */
  readonly ownerId: string | null;
}

const ownScope = (authorize: Authorize): LogScope => ({
  path: '/audit',
  noun: 'audit',
  whose: 'your organisation, for auditors and administrators, or your own',
  async readersOf(call, userId = null) {
    const { principal, scope } = await authorize(call, 'log.read', ({ organisationId }) => ({
      kind: 'log',
      organisationId,
      ...(userId === null ? {} : { ownerId: userId }),
    }));
    const ownerId = scope === 'own' ? principal.userId : null;
    return { organisationId: principal.organisationId, ownerId };
  },
});

const platformScope = (authorize: Authorize): LogScope => ({
  path: '/admin/audit',
  noun: 'platform-audit',
  whose: 'no organisation, for operators of the platform',
  async readersOf(call) {
    const platform = { kind: 'log', organisationId: null } as const;
    await authorize(call, 'platform-log.read', () => platform);
    return { organisationId: PLATFORM_TENANT.organisationId, ownerId: null };
  },
});

const searchRoute = (search: AuditSearch, scope: LogScope): Route => ({
  method: 'GET',
  url: scope.path,
  summary: `Events of ${scope.whose}; newest first`,
  access: 'session',
  routeClass: 'search',
  action: `${scope.noun}.search`,
  resourceType: 'audit',
  query: {
    type: 'object',
    additionalProperties: false,
    properties: {
      actor: {
        type: 'string',
        pattern: ACTOR_PATTERN,
        description: '`7` or `user:7`, `key:12` with its agents, `agent:12/3`.',
      },
      action: { ...textParam(100), description: 'Whole, or `project.*`.' },
      targetType: textParam(100),
      targetId: textParam(100),
      outcome: { type: 'string', enum: ['success', 'denied', 'failure'] },
      from: { ...timeParam, description: 'UTC, included: `2026-11-21` or `2026-11-21T03:23:15Z`.' },
      to: { ...timeParam, description: 'UTC, not included.' },
      cursor: { type: 'string', maxLength: 100 },
      limit: { type: 'integer', minimum: 1, maximum: 100, default: 50 },
    },
  },
  responses: {
    200: {
      type: 'object',
      required: ['items', 'next'],
      properties: {
        items: { type: 'array', items: event },
        next: {
          type: 'string',
          nullable: true,
          description: 'Cursor of the next page. A short page need not be the last; null is.',
        },
      },
    },
  },
  async handle(call) {
    const { cursor, limit, ...fields } = call.query;
    const filter = fields as AuditFilter;
    const { organisationId, ownerId } = await scope.readersOf(call, userOf(filter));
    const page = await search.search(organisationId, {
      ...filter,
      ...instantsOf(filter),
      ...(ownerId === null ? {} : { ownerId }),
      cursor: (cursor as string | undefined) ?? null,
      limit: Number(limit),
    });
    return { status: 200, body: { ...page } };
  },
});

const readRoute = (search: AuditSearch, scope: LogScope): Route => ({
  method: 'GET',
  url: `${scope.path}/:id`,
  summary: `One event of ${scope.whose}`,
  access: 'session',
  action: `${scope.noun}.read`,
  resourceType: 'audit',
  params: eventIdParams,
  responses: { 200: event },
  problems: [404],
  async handle(call) {
    const found = await search.find(await scope.readersOf(call), call.params.id!);
    if (found === null) throw eventNotFound();
    return { status: 200, body: { ...found } };
  },
});

const proofRoute = (prove: ProveEvent, scope: LogScope): Route => ({
  method: 'GET',
  url: `${scope.path}/:id/proof`,
  summary: 'Proof that an event is in the log: its block, the path to it, and what signs it',
  access: 'session',
  action: `${scope.noun}.prove`,
  resourceType: 'audit',
  params: eventIdParams,
  responses: { 200: { type: 'object', additionalProperties: true } },
  problems: [404, 409],
  async handle(call) {
    const proof = await prove(await scope.readersOf(call), call.params.id!);
    if (proof === null) throw eventNotFound();
    if (proof !== 'not-sequenced') return { status: 200, body: { ...proof.document } };
    throw new ServiceError({
      status: 409,
      code: 'not-sequenced',
      detail: 'The event is recorded, but not yet in a signed block; retry in a moment.',
      headers: { 'retry-after': '1' },
    });
  },
});

const eraseRoute = (erase: EraseSubject): Route => ({
  method: 'DELETE',
  url: '/me/personal-data',
  summary:
    'Erase yourself: account, sessions, keys, projects, and the key of your address and device in the audit log',
  access: 'session',
  checksPassword: true,
  onLimiterDown: 'closed',
  action: 'subject.erase',
  resourceType: 'subject',
  // A session alone may be stolen, and erasing would cover the thief's tracks.
  body: {
    type: 'object',
    required: ['password'],
    additionalProperties: false,
    properties: { password: { type: 'string', minLength: 1, maxLength: 128 } },
  },
  responses: { 204: null },
  handle(call) {
    call.auditContext.resourceId = call.userId;
    return erase(call);
  },
});

interface AuditRouteServices {
  readonly search: AuditSearch;
  /** Null in designs without a chain. */
  readonly prove: ProveEvent | null;
  readonly erase: EraseSubject;
  readonly authorize: Authorize;
}

export const auditRoutes = ({
  search,
  prove,
  erase,
  authorize,
}: AuditRouteServices): readonly Route[] => [
  ...[ownScope(authorize), platformScope(authorize)].flatMap((scope) => [
    searchRoute(search, scope),
    readRoute(search, scope),
    ...(prove === null ? [] : [proofRoute(prove, scope)]),
  ]),
  eraseRoute(erase),
];

function instantsOf({ from, to }: AuditFilter): Pick<AuditFilter, 'from' | 'to'> {
  const read = (name: string, given: string | undefined) => {
    const at = given === undefined ? undefined : parseInstant(given);
    if (at !== null) return at;
    throw new ServiceError({
      status: 400,
      code: 'invalid-time',
      detail: `${name} must be a time in UTC: 2026-11-21 or 2026-11-21T03:23:15Z.`,
    });
  };
  return { from: read('from', from), to: read('to', to) };
}

const eventNotFound = () =>
  new ServiceError({
    status: 404,
    code: 'event-not-found',
    detail: 'There is no event with this id that you may read.',
  });
