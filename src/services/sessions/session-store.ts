/**
 * Sessions in Redis, one string each under the SHA-256 of the token. GETEX reads and extends the idle timeout in
 * one command, so a check cannot bring back a session that a logout has just deleted. The value carries the
 * absolute end, which GETEX does not know; the policy refuses a session past it.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { SessionsDesign } from '../design.ts';
import { type Clock, type Random, ServiceError } from '../ports.ts';
import type { SessionStore } from './contract.ts';
import {
  decodeSession,
  encodeSession,
  hasEnded,
  idleTtlMs,
  isToken,
  newSession,
} from './policy.ts';

export function createSessionStore(given: {
  redis: Redis;
  keyPrefix: string;
  clock: Clock;
  random: Random;
  design: SessionsDesign;
}): SessionStore {
  const { redis, clock, random, design } = given;
  const keyOf = (token: string) =>
    `${given.keyPrefix}session:${createHash('sha256').update(token).digest('base64url')}`;
  const nowMs = () => Math.floor(clock.nowUs() / 1_000);

  return {
    async create(userId) {
      const token = `ps_${random.bytes(32).toString('base64url')}`;
      const session = newSession(userId, nowMs(), design);
      const ttlMs = idleTtlMs(session, session.createdAtMs, design);
      await redis.set(keyOf(token), encodeSession(session), 'PX', ttlMs).catch(unavailable);
      return { token, session };
    },

    async check(token) {
      if (!isToken(token)) return null;
      const key = keyOf(token);
      const text = await redis.getex(key, 'PX', design.idleTimeoutMs).catch(unavailable);
      const session = text === null ? null : decodeSession(text);
      return session && !hasEnded(session, nowMs()) ? session : null;
    },

    async end(token) {
      if (isToken(token)) await redis.del(keyOf(token)).catch(unavailable);
    },
  };
}

/** Without the store nobody is let in: an unknown session is not a valid one. */
function unavailable(cause: unknown): never {
  throw new ServiceError(
    { status: 503, code: 'sessions-unavailable', detail: 'Sessions cannot be checked right now.' },
    { cause },
  );
}
