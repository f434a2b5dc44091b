/**
 * Records one audit event for every response to an authenticated user, before the response is sent. If that fails, the
 * response becomes a 503: nothing unrecorded is confirmed.
 *
 * A change records its event in its own transaction (`recordIn`); every other event, also of refusals and errors, is
 * recorded in onSend, the last hook that can replace the response. Both use the event id assigned on arrival, so that of
 * a change with an unknown commit the database keeps one event. A change in another organisation has an event there too.
 */
import { hash } from 'node:crypto';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditEvent, AuditOutcome, AuditWriter } from '../../audit/contract.ts';
import { outcomeOf, sanitizeText } from '../../audit/policy.ts';
import { type Database, isoFromUs, type RecordIn, ServiceError } from '../../ports.ts';
import type { Route } from '../../route.ts';
import { PROBLEM_TYPE, problem, problemOf } from '../http/problems.ts';

/** Identity and state of a request's event; part of its request context. */
export interface AuditStamp {
  readonly eventId: string;
  readonly atUs: number;
  /** True once the event was recorded in the transaction of the change. */
  recorded: boolean;
  /** The problem's code after an error. */
  reason: string | null;
}

type Hook = (
  request: FastifyRequest,
  reply: FastifyReply,
  body: unknown,
  done: (error: null, body: unknown) => void,
) => void;

export interface AuditHooks {
  recordIn(route: Route, request: FastifyRequest): RecordIn;
  onSend(route: Route): Hook;
}

export function createAuditHooks(given: {
  audit: AuditWriter;
  /** Whether the writer can record in a transaction; otherwise every event is recorded in onSend. */
  joinsTransactions: boolean;
  /** Of this process. */
  name: string;
  region: string;
  report: (requestId: string, error: Error) => void;
  /** How long a ready response waited for its event; only for events recorded in onSend. */
  observeWaitSeconds: (seconds: number) => void;
}): AuditHooks {
  const { audit } = given;

  const eventsOf = (route: Route, request: FastifyRequest, outcome: AuditOutcome) => {
    const event = createEvent(route, request, {
      outcome,
      region: given.region,
      service: given.name,
    });
    const affected = request.requestContext!.auditContext.affectedOrganisationId;
    const isForeign = affected !== undefined && affected !== event.organisationId;
    return isForeign && outcome === 'success' ? [event, eventOfAffected(event, affected)] : [event];
  };

  const recordInTransaction = async (
    route: Route,
    request: FastifyRequest,
    tx: Database,
    about: Parameters<RecordIn>[1],
  ) => {
    const { auditStamp, auditContext } = request.requestContext!;
    Object.assign(auditContext, about);
    const outcome = auditContext.denial ? 'denied' : 'success';
    for (const event of eventsOf(route, request, outcome)) await audit.recordIn(tx, event);
    auditStamp.recorded = true;
  };

  const rejectUnaudited = (request: FastifyRequest, reply: FastifyReply, error: Error) => {
    given.report(request.id, error);
    // The action is not confirmed, so the browser keeps its cookies and data for a retry.
    reply.code(503).type(PROBLEM_TYPE).removeHeader('set-cookie').removeHeader('clear-site-data');
    if (error instanceof ServiceError) reply.headers(error.headers);
    const detail = 'The action could not be recorded, so it is not confirmed.';
    return JSON.stringify(problem(503, 'audit-unavailable', detail, request.id));
  };

  return {
    recordIn: (route, request) =>
      given.joinsTransactions
        ? (tx, about) => recordInTransaction(route, request, tx, about)
        : async (_tx, about) => void Object.assign(request.requestContext!.auditContext, about),
    onSend(route) {
      const allowLocalLog = route.onAuditDown === 'local-log';
      const options = { allowLocalLog };
      return (request, reply, body, done) => {
        const requestContext = request.requestContext;
        if (!requestContext?.auditContext.userId) return done(null, body);
        const { auditContext, auditStamp } = requestContext;
        const shown = outcomeOf(reply.statusCode);
        // Success means that the transaction was committed; after an error the commit may be unknown.
        if (auditStamp.recorded && shown === 'success') return done(null, body);
        const outcome = shown === 'success' && auditContext.denial ? 'denied' : shown;
        const sinceMs = performance.now();
        const events = eventsOf(route, request, outcome);
        Promise.all(events.map((event) => audit.record(event, options))).then(
          () => {
            given.observeWaitSeconds((performance.now() - sinceMs) / 1_000);
            done(null, body);
          },
          (error: Error) => done(null, rejectUnaudited(request, reply, error)),
        );
      };
    },
  };
}

function createEvent(
  route: Route,
  request: FastifyRequest,
  { outcome, region, service }: Pick<AuditEvent, 'outcome' | 'region' | 'service'>,
): AuditEvent {
  const { auditStamp, auditContext, clientRequestId, session, key, ip } = request.requestContext!;
  const { change } = auditContext;
  const sessionId = auditContext.sessionId ?? session?.id;
  const resourceId = auditContext.resourceId ?? (request.params as { id?: string } | undefined)?.id;
  return {
    eventId: auditStamp.eventId,
    occurredAt: isoFromUs(auditStamp.atUs),
    organisationId: auditContext.organisationId,
    userId: auditContext.userId,
    sessionHash: sessionId === undefined ? null : sessionHashOf(sessionId),
    keyId: key?.keyId ?? null,
    agent: key?.agent ?? null,
    action: route.action,
    resourceType: route.resourceType,
    resourceId: sanitizeText(resourceId, 100),
    outcome,
    reason: outcome === 'success' ? null : (auditStamp.reason ?? auditContext.denial ?? null),
    requestId: request.id,
    clientRequestId,
    region,
    service,
    change: outcome === 'success' && change ? JSON.stringify(change) : null,
    personal: { ip, userAgent: sanitizeText(request.headers['user-agent'], 200) },
  };
}

/**
 * The same event in the log of the organisation whose state changed. It names the actor; from where the actor came is not
 * that organisation's to know. The id follows from that of the event, so that a repetition is stored once.
 */
function eventOfAffected(event: AuditEvent, organisationId: string): AuditEvent {
  const digits = hash('sha256', `${event.eventId} ${organisationId}`, 'hex');
  return {
    ...event,
    // 13 digits of time, and the version.
    eventId: `${event.eventId.slice(0, 15)}${digits.slice(0, 3)}-8${digits.slice(3, 6)}-${digits.slice(6, 18)}`,
    organisationId,
    sessionHash: null,
    personal: { ip: null, userAgent: null },
  };
}

const MAX_CACHED_HASHES = 20_000;
const sessionHashes = new Map<string, string>();

/** Cached: the id is the same for every request of a session. */
export function sessionHashOf(id: string): string {
  const cached = sessionHashes.get(id);
  if (cached !== undefined) return cached;
  if (sessionHashes.size >= MAX_CACHED_HASHES) sessionHashes.clear();
  const sessionHash = hash('sha256', id, 'hex').slice(0, 32);
  sessionHashes.set(id, sessionHash);
  return sessionHash;
}

const PROBLEM_PREFIX = 'urn:platform:problem:';

/** Sets the reason of the request's event, and returns it. */
export function noteReason(request: FastifyRequest, error: FastifyError): string {
  const reason =
    error instanceof ServiceError
      ? error.code
      : problemOf(error, request.id).type.slice(PROBLEM_PREFIX.length);
  if (request.requestContext) request.requestContext.auditStamp.reason = reason;
  return reason;
}
