/** When a session ends, and its encoding in Redis. Pure: the clock is an argument. */
import type { SessionsDesign } from '../design.ts';
import type { Session } from './contract.ts';

/** A session as a store keeps it. */
export interface StoredSession extends Session {
  readonly secretHash: Buffer;
}

type Timeouts = Pick<SessionsDesign, 'idleTimeoutMs' | 'absoluteTimeoutMs'>;

export const absoluteEndMs = (createdAtMs: number, design: Timeouts): number =>
  createdAtMs + design.absoluteTimeoutMs;

/** TTL of a copy: it expires when the session idles out, never later than the absolute end. */
export const idleTtlMs = (
  session: Pick<Session, 'endsAtMs'>,
  lastUsedMs: number,
  nowMs: number,
  design: Timeouts,
): number => Math.min(lastUsedMs + design.idleTimeoutMs, session.endsAtMs) - nowMs;

export const hasEnded = (session: Session, nowMs: number): boolean => nowMs >= session.endsAtMs;

export const hasIdled = (lastSeenAtMs: number, nowMs: number, design: Timeouts): boolean =>
  nowMs >= lastSeenAtMs + design.idleTimeoutMs;

export const toPublicSession = (session: Session): Session => {
  const { id, userId, organisationId, createdAtMs, endsAtMs } = session;
  return { id, userId, organisationId, createdAtMs, endsAtMs };
};

/** The id is in the value as well as in the key, so that a reply to another command is detected. */
export const encodeSession = (session: StoredSession): string =>
  [
    session.id,
    session.userId,
    session.organisationId,
    session.createdAtMs,
    session.endsAtMs,
    session.secretHash.toString('base64url'),
  ].join('.');

const storedShape = /^([\w-]{22})\.(\d{1,19})\.(\d{1,19})\.(\d{1,16})\.(\d{1,16})\.([\w-]{43})$/;

/** Null for anything `encodeSession` did not write. Proves nothing about who wrote it: copy-codec.ts does. */
export function decodeSession(text: string): StoredSession | null {
  const match = storedShape.exec(text);
  if (!match) return null;
  return {
    id: match[1]!,
    userId: match[2]!,
    organisationId: match[3]!,
    createdAtMs: Number(match[4]),
    endsAtMs: Number(match[5]),
    secretHash: Buffer.from(match[6]!, 'base64url'),
  };
}
