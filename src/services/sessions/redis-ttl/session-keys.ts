/** Keys and values in Redis of the store `redis-ttl`. */
import type { Origin } from '../contract.ts';
import { decodeSession, encodeSession, type StoredSession } from '../policy.ts';

/** Between the encoded session and its details. */
const SEPARATOR = ' ';

type Details = Pick<Origin, 'device' | 'ip'>;

export const redisTtlKey = (keyPrefix: string, id: string): string => `${keyPrefix}session:${id}`;
/** A set of the ids of the user's sessions. */
export const redisTtlUserKey = (keyPrefix: string, userId: string): string =>
  `${keyPrefix}user:${userId}`;

export const encodeRedisTtlValue = (session: StoredSession, { device, ip }: Details): string =>
  `${encodeSession(session)}${SEPARATOR}${JSON.stringify({ device, ip })}`;

/** Null for anything `encodeRedisTtlValue` did not write. The details stay JSON, because most callers need none. */
export function decodeRedisTtlValue(
  text: string,
): { session: StoredSession; detailsJson: string } | null {
  const at = text.indexOf(SEPARATOR);
  const session = decodeSession(at < 0 ? text : text.slice(0, at));
  return session && { session, detailsJson: at < 0 ? '{}' : text.slice(at + 1) };
}

export const parseDetails = (detailsJson: string): Details => JSON.parse(detailsJson) as Details;
