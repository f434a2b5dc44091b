/**
 * One audit event for every answer to a known user, on record before the answer leaves. If it cannot be, the answer
 * becomes a 503: nothing is confirmed that is not on record.
 *
 * A change puts its event into its own transaction (`recordIn`); everything else is recorded in onSend, the last step
 * that may still change the answer, so refusals and errors pass there as well. Both write the event under the identity
 * it got when the request arrived: of a change whose commit is unknown, the database keeps one of the two.
 */
import { hash } from 'node:crypto';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditEvent, AuditOutcome, AuditWriter } from '../audit/contract.ts';
import { outcomeOf, storable } from '../audit/policy.ts';
import { type Database, isoFromUs, type RecordIn, ServiceError } from '../ports.ts';
import type { Route } from '../route.ts';
import { problem, problemOf, problemType } from './problems.ts';

/** What a request's event says beside its trail; part of the request's passage. */
export interface Arrival {
  readonly eventId: string;
  readonly atUs: number;
  /** The event is in the transaction of the change. */
  recorded: boolean;
  /** The problem's code, once there is one. */
  reason: string | null;
}

type Hook = (
  request: FastifyRequest,
  reply: FastifyReply,
  body: unknown,
  done: (error: null, body: unknown) => void,
) => void;

export interface AuditTrail {
  recordIn(route: Route, request: FastifyRequest): RecordIn;
  onSend(route: Route): Hook;
}

export function createAuditTrail(given: {
  audit: AuditWriter;
  /** Whether the writer takes part in transactions; otherwise every event is recorded in onSend. */
  joinsTransactions: boolean;
  /** Of this process. */
  name: string;
  region: string;
  report: (requestId: string, error: Error) => void;
  /** How long an answer that was ready waited; of events outside transactions. */
  waited: (seconds: number) => void;
}): AuditTrail {
  const { audit } = given;

  const eventOf = (route: Route, request: FastifyRequest, outcome: AuditOutcome): AuditEvent => {
    const { arrival, trail, session, key, ip } = request.passage!;
    const sessionId = trail.sessionId ?? session?.id;
    const resourceId = trail.resourceId ?? (request.params as { id?: string } | undefined)?.id;
    return {
      eventId: arrival.eventId,
      occurredAt: isoFromUs(arrival.atUs),
      organisationId: trail.organisationId,
      userId: trail.userId,
      sessionHash: sessionId === undefined ? null : sessionHashOf(sessionId),
      keyId: key?.keyId ?? null,
      agent: key?.agent ?? null,
      action: route.action,
      resourceType: route.resourceType,
      resourceId: storable(resourceId, 100),
      outcome,
      reason: outcome === 'success' ? null : arrival.reason,
      requestId: request.id,
      region: given.region,
      service: given.name,
      personal: { ip, userAgent: storable(request.headers['user-agent'], 200) },
    };
  };

  const inside = async (
    route: Route,
    request: FastifyRequest,
    tx: Database,
    about: Parameters<RecordIn>[1],
  ) => {
    const { arrival, trail } = request.passage!;
    if (about) Object.assign(trail, about);
    await audit.recordIn(tx, eventOf(route, request, 'success'));
    arrival.recorded = true;
  };

  const refused = (request: FastifyRequest, reply: FastifyReply, error: Error) => {
    given.report(request.id, error);
    // Not confirmed: the browser keeps what it needs to try again.
    reply.code(503).type(problemType).removeHeader('set-cookie').removeHeader('clear-site-data');
    if (error instanceof ServiceError) reply.headers(error.headers);
    const detail = 'The action could not be recorded, so it is not confirmed.';
    return JSON.stringify(problem(503, 'audit-unavailable', detail, request.id));
  };

  return {
    recordIn: (route, request) =>
      given.joinsTransactions ? (tx, about) => inside(route, request, tx, about) : notHere,
    onSend(route) {
      const mayWait = route.whenUnaudited === 'local-log';
      const options = { mayWait };
      return (request, reply, body, done) => {
        const passage = request.passage;
        if (!passage?.trail.userId) return done(null, body);
        const outcome = outcomeOf(reply.statusCode);
        // The handler came back, so its transaction is committed. Where it did not, the commit may be unknown.
        if (passage.arrival.recorded && outcome === 'success') return done(null, body);
        const sinceMs = performance.now();
        audit.record(eventOf(route, request, outcome), options).then(
          () => {
            given.waited((performance.now() - sinceMs) / 1_000);
            done(null, body);
          },
          (error: Error) => done(null, refused(request, reply, error)),
        );
      };
    },
  };
}

const notHere: RecordIn = async () => {};

const maxRemembered = 20_000;
const remembered = new Map<string, string>();

/** Of an id that comes again with every request of its session. */
function sessionHashOf(id: string): string {
  const known = remembered.get(id);
  if (known !== undefined) return known;
  if (remembered.size >= maxRemembered) remembered.clear();
  const made = hash('sha256', id, 'hex').slice(0, 32);
  remembered.set(id, made);
  return made;
}

const ownProblem = 'urn:platform:problem:';

/** For the request's event: why it was not a success. */
export function noteReason(request: FastifyRequest, error: FastifyError): void {
  if (!request.passage) return;
  request.passage.arrival.reason =
    error instanceof ServiceError
      ? error.code
      : problemOf(error, request.id).type.slice(ownProblem.length);
}
