/** When a session is over, and what one looks like in the store. Pure: the clock is an argument. */
import type { SessionsDesign } from '../design.ts';
import type { Session } from './contract.ts';

export function newSession(userId: string, nowMs: number, design: SessionsDesign): Session {
  return { userId, createdAtMs: nowMs, endsAtMs: nowMs + design.absoluteTimeoutMs };
}

/** The store forgets a session by itself after this long without a check; never past its absolute end. */
export function idleTtlMs(session: Session, nowMs: number, design: SessionsDesign): number {
  return Math.min(design.idleTimeoutMs, session.endsAtMs - nowMs);
}

export const hasEnded = (session: Session, nowMs: number): boolean => nowMs >= session.endsAtMs;

export const encodeSession = (session: Session): string =>
  `${session.userId}.${session.createdAtMs}.${session.endsAtMs}`;

/** Null for anything `encodeSession` did not write. */
export function decodeSession(text: string): Session | null {
  const match = /^(\d{1,19})\.(\d{1,16})\.(\d{1,16})$/.exec(text);
  if (!match) return null;
  return { userId: match[1]!, createdAtMs: Number(match[2]), endsAtMs: Number(match[3]) };
}

const tokenShape = /^ps_[A-Za-z0-9_-]{43}$/;
export const isToken = (text: string): boolean => tokenShape.test(text);
