/**
 * Copies of sessions as Redis holds them, each with a MAC (HMAC-SHA-256) under a key that Redis does not have: whoever
 * can write to Redis can neither make a copy nor change one. The MAC covers the copy's place, its whole Redis key, with
 * the generation, the run id of Redis and the session's id: a copy that is moved is not valid.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { decodeSession, encodeSession, type StoredSession } from './policy.ts';

export interface IssuedCopy {
  readonly session: StoredSession;
  readonly issuedMs: number;
}

export interface CopyCodec {
  encode(session: StoredSession, place: string): string;
  /** Null for anything `encode` did not write for this place. */
  decode(text: string, place: string): IssuedCopy | null;
}

/** Session, Unix milliseconds, MAC. */
const copyShape = /^(.+)\.(\d{1,16})\.([\w-]{43})$/;

export function createCopyCodec(given: { key: Buffer; nowMs: () => number }): CopyCodec {
  const key = createSecretKey(given.key);
  const macOf = (place: string, body: string): Buffer =>
    createHmac('sha256', key).update(`${place}\n${body}`).digest();

  return {
    encode(session, place) {
      const body = `${encodeSession(session)}.${given.nowMs()}`;
      return `${body}.${macOf(place, body).toString('base64url')}`;
    },
    decode(text, place) {
      const [, encoded, issued, mac] = copyShape.exec(text) ?? [];
      if (encoded === undefined || issued === undefined || mac === undefined) return null;
      const expected = macOf(place, `${encoded}.${issued}`);
      if (!timingSafeEqual(expected, Buffer.from(mac, 'base64url'))) return null;
      const session = decodeSession(encoded);
      return session && { session, issuedMs: Number(issued) };
    },
  };
}
