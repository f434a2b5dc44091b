/**
 * Accounts and sessions. Promises: a token carries 256 random bits and only their SHA-256 is stored; a session ends
 * at logout (no check that starts after the answer accepts it, in any process), after the idle timeout, or after
 * the absolute timeout, whichever is first, and nothing brings it back; an end that cannot be confirmed is a 503,
 * never a success. A login for an unknown address is answered as one with a wrong password, and costs as much: one hash, one
 * event, also when the hashing line is full. A registration is answered in the same way whether or not the address is taken.
 */

import type { Role } from '../access-policy.ts';
import type { Membership } from '../authorization.ts';
import type { Database, RecordIn, ThrottleRead } from '../ports.ts';
import type { Turn } from './hashing/admission.ts';

export interface Session {
  /** Public: names the session in lists and in the history; opens nothing. */
  readonly id: string;
  readonly userId: string;
  /** The user's when the session began. */
  readonly organisationId: string;
  readonly createdAtMs: number;
  readonly endsAtMs: number;
}

/** A session as this process last read it; valid only while `key` in this Redis process still holds exactly `text`. */
export interface CachedSession {
  readonly session: Session;
  readonly proof: { readonly runId: string; readonly key: string; readonly text: string };
}

/** Revokes every API key of a user, in the transaction of the caller; `forget` is called after its commit. */
export type RevokeKeys = (
  tx: Database,
  userId: string,
) => Promise<{ readonly count: number; forget(): void }>;

/** Where there are no keys. */
export const revokeNoKeys: RevokeKeys = async () => ({ count: 0, forget() {} });

/** The request a change comes from. */
export interface Origin {
  readonly requestId: string;
  /** What the client called the request; not unique. */
  readonly clientRequestId: string | null;
  readonly device: string | null;
  readonly ip: string | null;
  /** Called by stores with PostgreSQL as the source of truth, last in the transaction of a change. */
  readonly recordIn: RecordIn;
}

export interface CreatedSession {
  /** Shown once. */
  readonly token: string;
  readonly session: Session;
}

export interface SessionView {
  readonly id: string;
  readonly device: string | null;
  readonly ip: string | null;
  readonly createdAtMs: number;
  readonly lastSeenAtMs: number;
}

export interface Login {
  readonly userId: string;
  /** The hash the password was verified against: the login is refused if the password has changed since. */
  readonly passwordHash: string;
  /** The token the client already has, if any; its session ends. */
  readonly presentedToken: string;
}

export interface SessionStore {
  /** Before the first check; rejects when the process cannot do its work. */
  start(): Promise<void>;
  close(): Promise<void>;
  /** Null when the account was disabled or its password changed meanwhile. */
  create(login: Login, origin: Origin): Promise<CreatedSession | null>;
  /**
   * Null when the token is unknown or ended. Does not restart the idle timeout: the request may still be refused. A read of
   * PostgreSQL for a token that nothing else knows goes through `throttle`.
   */
  check(token: string, throttle?: ThrottleRead): Promise<Session | null>;
  /**
   * The session from this process's memory, without I/O. It is live only while `proof` holds, which the caller verifies
   * in its own next Redis command. Null: not cached; call `check`.
   */
  findCached(token: string): CachedSession | null;
  /** The caller verified a proof: counted as a cache hit. */
  countCacheHit(): void;
  /**
   * The request was admitted: the idle timeout restarts. Most stores write it later. One that writes it before the
   * response rejects when it cannot; the caller need not wait for it.
   */
  touch(session: Session): void | Promise<void>;
  /** Idempotent: null only for a token that was never issued. Resolves when no process accepts it any more. */
  end(token: string, origin: Origin, throttle?: ThrottleRead): Promise<Session | null>;
  /** Another token for the same session's user and absolute end; the old one ends. Null when it has ended. */
  renew(token: string, origin: Origin): Promise<CreatedSession | null>;
  /** Live sessions, newest first, at most 100. */
  list(userId: string): Promise<readonly SessionView[]>;
  /** False when the user has no live session with this id. */
  revoke(session: Session, sessionId: string, origin: Origin): Promise<boolean>;
  /** How many ended. A concurrent login is either among them, or its session begins after this. */
  revokeOthers(session: Session, origin: Origin): Promise<number>;
  revokeAll(userId: string, actor: { id: string; reason: string }, origin: Origin): Promise<number>;
  /** Disables the account and ends every session of the user, in one transaction. How many ended. */
  disable(userId: string, actorId: string, origin: Origin): Promise<number>;
  /**
   * Erases the account's personal fields and ends every session of the user, in one transaction. Idempotent. False when
   * the password is another one by now; null: it was not needed.
   */
  erase(userId: string, passwordHash: string | null, origin: Origin): Promise<boolean>;
  /**
   * Changes the password, ends every session of the user, revokes every API key and opens a new session, in one
   * transaction. Null when the session has ended or the password has changed meanwhile.
   */
  changePassword(
    session: Session,
    hashes: { from: string; to: string },
    origin: Origin,
  ): Promise<CreatedSession | null>;
  /** Puts a refused login on record. */
  recordRefusedLogin(userId: string | null, origin: Origin): Promise<void>;
}

/** Events for metrics and logs. */
export interface SessionObserver {
  onCacheRead(isHit: boolean): void;
  /** A check read PostgreSQL because Redis could not be used. */
  onDatabaseFallback(): void;
  onBreaker(isOpen: boolean): void;
  /** A copy in Redis was not written by this service: somebody else writes there. */
  onForgedCopy(): void;
  /** A logout waited this long for every process to adopt a new generation. */
  onFence(seconds: number, isConfirmed: boolean): void;
  /** For the operator's log. */
  onError(error: Error): void;
}

export interface User {
  readonly id: string;
  readonly organisationId: string;
  readonly email: string;
  readonly createdAt: string;
}

export interface UserStore {
  /**
   * Creates the account, or records the attempt for the owner of the address when it is taken: the same statements in
   * both cases. `user` is whose address it is.
   */
  create(
    email: string,
    passwordHash: string,
    recordIn: RecordIn,
  ): Promise<{ readonly user: User; readonly isNew: boolean }>;
  /** Of a disabled account, too, without its hash: no password matches it. */
  findByEmail(
    email: string,
  ): Promise<{ id: string; organisationId: string; passwordHash: string | null } | null>;
  find(id: string): Promise<User | null>;
  findCredentials(id: string): Promise<{ passwordHash: string } | null>;
  findMembership(id: string): Promise<Membership | null>;
  isErased(id: string): Promise<boolean>;
  /** Null when the organisation has no such user. `before` is the role until then. */
  assignRole(
    target: { readonly userId: string; readonly organisationId: string },
    role: Role,
    recordIn: RecordIn,
  ): Promise<{ readonly before: Role } | null>;
  /**
   * Takes the user out of the organisation, into one of its own, as a member; sessions and keys end with the membership.
   * False when the organisation has no such user.
   */
  remove(
    target: { readonly userId: string; readonly organisationId: string },
    recordIn: RecordIn,
  ): Promise<boolean>;
}

/** Both hash, in a line in which addresses, and at an address its accounts, take turns; `turn` says whose hash it is. */
export interface Passwords {
  hash(password: string, turn?: Turn): Promise<string>;
  /** With null it does the same work and answers false. */
  verify(password: string, hash: string | null, turn?: Turn): Promise<boolean>;
  close(): void;
}
