/** What the gateway knows of one request on its way to the handler, and from when on the request is somebody's. */
import type { FastifyRequest } from 'fastify';
import type { KeyCaller } from '../api-keys/contract.ts';
import { type Clock, type Random, timeOrderedId } from '../ports.ts';
import { limitedAddress } from '../rate-limit/address.ts';
import type { CallSession, Trail } from '../route.ts';
import type { Session } from '../sessions/contract.ts';
import type { Arrival } from './audit-trail.ts';
import type { ClientAddress } from './client-address.ts';
import type { Refund } from './request-limits.ts';

/** What one request has found out about itself so far. */
export interface Passage {
  /** In full, for records; `address` is what is counted. Null when the connection is already gone. */
  readonly ip: string | null;
  readonly address: string;
  /** Empty and null until it is known who asks. */
  userId: string;
  session: CallSession | null;
  key: KeyCaller | null;
  readonly token: string;
  readonly trail: Trail;
  readonly arrival: Arrival;
  /** What a login that succeeds gives back. */
  readonly refunds: Refund[];
}

declare module 'fastify' {
  interface FastifyRequest {
    passage: Passage | null;
  }
}

export interface PassageSources {
  readonly addressOf: ClientAddress;
  readonly clock: Clock;
  readonly random: Random;
}

export function passageOf(
  { addressOf, clock, random }: PassageSources,
  request: FastifyRequest,
  token: string,
): Passage {
  const ip = addressOf(request.socket.remoteAddress, request.headers['x-forwarded-for']);
  const atUs = clock.nowUs();
  return {
    ip: ip || null,
    address: limitedAddress(ip) ?? 'none',
    userId: '',
    session: null,
    key: null,
    token,
    trail: { userId: '', organisationId: '', resourceId: null },
    arrival: {
      eventId: timeOrderedId(atUs, random.uuid()),
      atUs,
      recorded: false,
      reason: null,
    },
    refunds: [],
  };
}

/** From now on the request is somebody's, and its answer goes on record. */
export function introduce(passage: Passage, session: Session | null, key: KeyCaller | null): void {
  passage.session = session;
  passage.key = key;
  passage.userId = key ? key.ownerId : session!.userId;
  passage.trail.userId = passage.userId;
  passage.trail.organisationId = key ? key.organisationId : session!.organisationId;
}
