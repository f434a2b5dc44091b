/**
 * One audit event for every answer to a known user, committed before the answer leaves. If it cannot be committed,
 * the answer becomes a 503: nothing is confirmed that is not on record.
 *
 * Runs in onSend, the last step that may still change the answer, so refusals and errors pass here as well.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuditWriter } from '../audit/contract.ts';
import { outcomeOf, storable } from '../audit/policy.ts';
import { type Clock, isoFromUs, type Random, ServiceError, timeOrderedId } from '../ports.ts';
import type { Route } from '../route.ts';
import { problem, problemType } from './problems.ts';

export function createAuditTrail(given: {
  audit: AuditWriter;
  clock: Clock;
  random: Random;
  report: (requestId: string, error: Error) => void;
}) {
  const { audit, clock, random } = given;

  const record = (route: Route, request: FastifyRequest, status: number, userId: string) => {
    const nowUs = clock.nowUs();
    const resourceId =
      request.passage?.trail.resourceId ?? (request.params as { id?: string } | undefined)?.id;
    return audit.record({
      eventId: timeOrderedId(nowUs, random.uuid()),
      userId,
      action: route.action,
      resourceType: route.resourceType,
      resourceId: storable(resourceId, 100),
      outcome: outcomeOf(status),
      occurredAt: isoFromUs(nowUs),
      ip: request.passage!.ip,
      requestId: request.id,
      userAgent: storable(request.headers['user-agent'], 200),
    });
  };

  return (route: Route) => async (request: FastifyRequest, reply: FastifyReply, body: unknown) => {
    const userId = request.passage?.trail.userId;
    if (!userId) return body;
    try {
      await record(route, request, reply.statusCode, userId);
      return body;
    } catch (error) {
      given.report(request.id, error as Error);
      // Not confirmed: the browser keeps what it needs to try again.
      reply.code(503).type(problemType).removeHeader('set-cookie').removeHeader('clear-site-data');
      if (error instanceof ServiceError) reply.headers(error.headers);
      const detail = 'The action could not be recorded, so it is not confirmed.';
      return JSON.stringify(problem(503, 'audit-unavailable', detail, request.id));
    }
  };
}
