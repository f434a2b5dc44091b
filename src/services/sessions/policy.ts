/** When a session is over, and what one looks like in Redis. Pure: the clock is an argument. */
import type { SessionsDesign } from '../design.ts';
import type { Session } from './contract.ts';

/** A session as a store keeps it. */
export interface StoredSession extends Session {
  readonly secretHash: Buffer;
}

type Timeouts = Pick<SessionsDesign, 'idleTimeoutMs' | 'absoluteTimeoutMs'>;

export const endOf = (createdAtMs: number, design: Timeouts): number =>
  createdAtMs + design.absoluteTimeoutMs;

/** A copy is forgotten by itself after this long without a check; never later than the absolute end. */
export const idleTtlMs = (session: Session, nowMs: number, design: Timeouts): number =>
  Math.min(design.idleTimeoutMs, session.endsAtMs - nowMs);

export const hasEnded = (session: Session, nowMs: number): boolean => nowMs >= session.endsAtMs;

export const hasIdled = (lastSeenAtMs: number, nowMs: number, design: Timeouts): boolean =>
  nowMs >= lastSeenAtMs + design.idleTimeoutMs;

export const publicSession = ({ id, userId, createdAtMs, endsAtMs }: Session): Session => ({
  id,
  userId,
  createdAtMs,
  endsAtMs,
});

/** The id is in the value as well as in the key: an answer meant for another command is noticed. */
export const encodeSession = (session: StoredSession): string =>
  [
    session.id,
    session.userId,
    session.createdAtMs,
    session.endsAtMs,
    session.secretHash.toString('base64url'),
  ].join('.');

const storedShape = /^([\w-]{22})\.(\d{1,19})\.(\d{1,16})\.(\d{1,16})\.([\w-]{43})$/;

/** Null for anything `encodeSession` did not write. */
export function decodeSession(text: string): StoredSession | null {
  const match = storedShape.exec(text);
  if (!match) return null;
  return {
    id: match[1]!,
    userId: match[2]!,
    createdAtMs: Number(match[3]),
    endsAtMs: Number(match[4]),
    secretHash: Buffer.from(match[5]!, 'base64url'),
  };
}
