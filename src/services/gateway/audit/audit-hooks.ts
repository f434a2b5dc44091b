/**
 * Records one audit event for every response to an authenticated user, before the response is sent. If that fails, the
 * response becomes a 503: nothing unrecorded is confirmed.
 *
 * A change records its event in its own transaction (`recordIn`); every other event, also of refusals and errors, is
 * recorded in onSend, the last hook that can replace the response. Both use the event id assigned on arrival, so that of
 * a change with an unknown commit the database keeps one event.
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

  const eventOf = (route: Route, request: FastifyRequest, outcome: AuditOutcome) =>
    createEvent(route, request, { outcome, region: given.region, service: given.name });

  const recordInTransaction = async (
    route: Route,
    request: FastifyRequest,
    tx: Database,
    change: Parameters<RecordIn>[1],
  ) => {
    const { auditStamp, auditContext } = request.requestContext!;
    if (change) Object.assign(auditContext, change);
    await audit.recordIn(tx, eventOf(route, request, auditContext.denial ? 'denied' : 'success'));
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
        ? (tx, change) => recordInTransaction(route, request, tx, change)
        : async () => {},
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
        audit.record(eventOf(route, request, outcome), options).then(
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
  const { auditStamp, auditContext, session, key, ip } = request.requestContext!;
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
    region,
    service,
    personal: { ip, userAgent: sanitizeText(request.headers['user-agent'], 200) },
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
