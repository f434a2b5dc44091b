/** What the gateway knows of one request on its way to the handler. */
import type { FastifyRequest } from 'fastify';
import type { KeyPrincipal } from '../../api-keys/contract.ts';
import {
  type Clock,
  type Random,
  type ThrottleRead,
  timeOrderedId,
  unthrottled,
} from '../../ports.ts';
import { normalizeAddress } from '../../rate-limit/address.ts';
import type { AuditContext, CallSession } from '../../route.ts';
import type { Session } from '../../sessions/contract.ts';
import type { AuditStamp } from '../audit/audit-hooks.ts';
import { createTakenUnits, type TakenUnits } from '../limits/refunds.ts';
import type { ClientAddress } from './client-address.ts';
import { clientRequestIdOf } from './request-id.ts';

export interface RequestContext {
  /** As it is recorded; null when the client sent none. */
  readonly clientRequestId: string | null;
  /** In full, for the audit log. Null when the connection is already gone. */
  readonly ip: string | null;
  /** Normalised for limits. */
  readonly address: string;
  /** Empty until the request is authenticated; `session` and `key` are null until then. */
  userId: string;
  session: CallSession | null;
  key: KeyPrincipal | null;
  readonly token: string;
  readonly auditContext: AuditContext;
  readonly auditStamp: AuditStamp;
  readonly taken: TakenUnits;
  /** For the reads of a route that verifies the token itself. */
  throttleRead: ThrottleRead;
}

declare module 'fastify' {
  interface FastifyRequest {
    requestContext: RequestContext | null;
  }
}

export interface RequestContextSources {
  readonly addressOf: ClientAddress;
  readonly clock: Clock;
  readonly random: Random;
}

export function createRequestContext(
  { addressOf, clock, random }: RequestContextSources,
  request: FastifyRequest,
  token: string,
): RequestContext {
  const ip = addressOf(request.socket.remoteAddress, request.headers);
  const atUs = clock.nowUs();
  return {
    clientRequestId: clientRequestIdOf(request.headers['x-request-id']),
    ip: ip || null,
    address: normalizeAddress(ip) ?? 'none',
    userId: '',
    session: null,
    key: null,
    token,
    auditContext: { userId: '', organisationId: '', resourceId: null },
    auditStamp: {
      eventId: timeOrderedId(atUs, random.uuid()),
      atUs,
      recorded: false,
      reason: null,
    },
    taken: createTakenUnits(),
    throttleRead: unthrottled,
  };
}

/** From now on the response to the request is audited. */
export function setPrincipal(
  context: RequestContext,
  session: Session | null,
  key: KeyPrincipal | null,
): void {
  context.session = session;
  context.key = key;
  context.userId = key ? key.ownerId : session!.userId;
  context.auditContext.userId = context.userId;
  context.auditContext.organisationId = key ? key.organisationId : session!.organisationId;
}
