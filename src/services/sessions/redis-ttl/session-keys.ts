/** Keys and values in Redis of the store `redis-ttl`. */
import type { Origin } from '../contract.ts';
import type { CopyCodec } from '../copy-codec.ts';
import type { StoredSession } from '../policy.ts';

/** Between the encoded session and its details. */
const SEPARATOR = ' ';

type Details = Pick<Origin, 'device' | 'ip'>;

export const redisTtlKey = (keyPrefix: string, id: string): string => `${keyPrefix}session:${id}`;
/** A set of the ids of the user's sessions. */
export const redisTtlUserKey = (keyPrefix: string, userId: string): string =>
  `${keyPrefix}user:${userId}`;

/** The MAC covers the key and the details as well. */
const placeOf = (key: string, detailsJson: string): string => `${key}${SEPARATOR}${detailsJson}`;

export function encodeRedisTtlValue(
  session: StoredSession,
  { device, ip }: Details,
  given: { readonly codec: CopyCodec; readonly key: string },
): string {
  const detailsJson = JSON.stringify({ device, ip });
  const encoded = given.codec.encode(session, placeOf(given.key, detailsJson));
  return `${encoded}${SEPARATOR}${detailsJson}`;
}

/** Null for anything `encodeRedisTtlValue` did not write there. The details stay JSON, because most callers need none. */
export function decodeRedisTtlValue(
  text: string,
  { codec, key }: { readonly codec: CopyCodec; readonly key: string },
): { session: StoredSession; detailsJson: string } | null {
  const at = text.indexOf(SEPARATOR);
  if (at < 0) return null;
  const detailsJson = text.slice(at + 1);
  const copy = codec.decode(text.slice(0, at), placeOf(key, detailsJson));
  return copy && { session: copy.session, detailsJson };
}

export const parseDetails = (detailsJson: string): Details => JSON.parse(detailsJson) as Details;
