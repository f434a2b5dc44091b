/**
 * Header fields of every response, also of errors, refusals and unknown paths. Nothing is stored by a cache unless its
 * route says so with `cache-control` of its own, because nearly every response is about a person.
 */
import type { FastifyRequest } from 'fastify';

type ProtectiveHeaders = Readonly<Record<string, string>>;

/** Nothing is known of the connection, or it is not encrypted. */
export const plainHeaders: ProtectiveHeaders = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

/**
 * RFC 6797, 7.2: not over a connection without TLS, where browsers ignore it. No includeSubDomains: the other names of
 * the domain are not ours.
 */
const encryptedHeaders: ProtectiveHeaders = {
  ...plainHeaders,
  'strict-transport-security': 'max-age=31536000',
};

/** The protocol is that of the client: of the socket, or what a trusted proxy says in X-Forwarded-Proto. */
export const protectiveHeaders = ({
  protocol,
}: Pick<FastifyRequest, 'protocol'>): ProtectiveHeaders =>
  protocol === 'https' ? encryptedHeaders : plainHeaders;

/** Of the few responses that are the same for everybody. */
export const PUBLIC_CACHE_CONTROL = 'public, max-age=60';
