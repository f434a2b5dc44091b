/**
 * HTTP routes of the audit log: search, one event, its proof, and the erasure of one's personal data. A session reads
 * the log of its own organisation; an API key reads none. Each read is itself recorded in that log.
 */
import { ServiceError } from '../ports.ts';
import type { Call, JsonSchema, Route, RouteResponse } from '../route.ts';
import type { ProveEvent } from './event-proof.ts';
import type { AuditSearch } from './search/search.ts';
import { ACTOR_PATTERN, type AuditFilter, parseInstant } from './search/search-request.ts';

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
  region: text,
  service: text,
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

const searchRoute = (search: AuditSearch): Route => ({
  method: 'GET',
  url: '/audit',
  summary: 'Events of your organisation, newest first',
  access: 'session',
  routeClass: 'search',
  action: 'audit.search',
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
  async handle({ session, query }) {
    const { cursor, limit, ...filter } = query;
    const page = await search.search(session!.organisationId, {
      ...(filter as AuditFilter),
      ...instantsOf(filter as AuditFilter),
      cursor: (cursor as string | undefined) ?? null,
      limit: Number(limit),
    });
    return { status: 200, body: { ...page } };
  },
});

const readRoute = (search: AuditSearch): Route => ({
  method: 'GET',
  url: '/audit/:id',
  summary: 'One event of your organisation',
  access: 'session',
  action: 'audit.read',
  resourceType: 'audit',
  params: eventIdParams,
  responses: { 200: event },
  problems: [404],
  async handle({ session, params }) {
    const found = await search.find(session!.organisationId, params.id!);
    if (found === null) throw eventNotFound();
    return { status: 200, body: { ...found } };
  },
});

const proofRoute = (prove: ProveEvent): Route => ({
  method: 'GET',
  url: '/audit/:id/proof',
  summary: 'Proof that an event is in the log: its block, the path to it, and what signs it',
  access: 'session',
  action: 'audit.prove',
  resourceType: 'audit',
  params: eventIdParams,
  responses: { 200: { type: 'object', additionalProperties: true } },
  problems: [404, 409],
  async handle({ session, params }) {
    const proof = await prove(session!.organisationId, params.id!);
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

export const auditRoutes = (given: {
  search: AuditSearch;
  /** Null in designs without a chain. */
  prove: ProveEvent | null;
  erase: EraseSubject;
}): readonly Route[] => [
  searchRoute(given.search),
  readRoute(given.search),
  ...(given.prove === null ? [] : [proofRoute(given.prove)]),
  eraseRoute(given.erase),
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
    detail: 'Your organisation has no event with this id.',
  });
