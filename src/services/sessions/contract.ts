/**
 * Accounts and sessions. Promises: a token carries 256 random bits and only their SHA-256 is stored; a session ends
 * at logout (no check that starts after the answer accepts it, in any process), after the idle timeout, or after
 * the absolute timeout, whichever is first, and nothing brings it back; an end that cannot be confirmed is a 503,
 * never a success. A login for an unknown address costs as much as one with a wrong password.
 */

import type { RecordIn } from '../ports.ts';

export interface Session {
  /** Public: names the session in lists and in the history; opens nothing. */
  readonly id: string;
  readonly userId: string;
  /** The user's when the session began. */
  readonly organisationId: string;
  readonly createdAtMs: number;
  readonly endsAtMs: number;
}

/** Holds while this key of this Redis process is exactly this text. */
export interface Recalled {
  readonly session: Session;
  readonly proof: { readonly runId: string; readonly key: string; readonly text: string };
}

/** The request a change comes from. */
export interface Origin {
  readonly requestId: string;
  readonly device: string | null;
  readonly ip: string | null;
  /** Called by stores whose truth is in PostgreSQL, last in the transaction of a change. */
  readonly recordIn: RecordIn;
}

export interface Created {
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
  /** The hash the password was verified against: a login that a password change overtook is refused. */
  readonly passwordHash: string;
  /** The token the client already has, if any; its session ends. */
  readonly presented: string;
}

export interface SessionStore {
  /** Before the first check; rejects when the process cannot do its work. */
  start(): Promise<void>;
  close(): Promise<void>;
  /** Null when the account was disabled or its password changed meanwhile. */
  create(login: Login, origin: Origin): Promise<Created | null>;
  /** Null when the token is unknown or ended. Writes nothing about the session: a refused request is no use of it. */
  check(token: string): Promise<Session | null>;
  /**
   * What this process remembers of a session, without asking anybody: it is live only while `proof` holds, which its
   * caller finds out together with something else it asks. Null: nothing that could be proven so; check it.
   */
  recall(token: string): Recalled | null;
  /** A proof was found to hold. */
  confirmed(): void;
  /**
   * The request was let in: the idle timeout begins again. Most stores write it later; one that writes it before the
   * answer rejects when it cannot, and may be left to itself all the same.
   */
  used(session: Session): void | Promise<void>;
  /** Idempotent: null only for a token that never was. Resolves when no process accepts it any more. */
  end(token: string, origin: Origin): Promise<Session | null>;
  /** Another token for the same session's user and absolute end; the old one ends. Null when it has ended. */
  renew(token: string, origin: Origin): Promise<Created | null>;
  /** Those not ended, newest first, at most 100. */
  list(userId: string): Promise<readonly SessionView[]>;
  /** False when the user has no such session that has not ended. */
  revoke(session: Session, sessionId: string, origin: Origin): Promise<boolean>;
  /** How many ended. Concurrent logins are either among them or later than this. */
  revokeOthers(session: Session, origin: Origin): Promise<number>;
  revokeAll(userId: string, actor: { id: string; reason: string }, origin: Origin): Promise<number>;
  /** Ends every session of the user, with the change: nobody logs in to a disabled account. How many ended. */
  disable(userId: string, actorId: string, origin: Origin): Promise<number>;
  /** Ends every session of the user and opens a new one, with the change. Null when overtaken. */
  changePassword(
    session: Session,
    hashes: { from: string; to: string },
    origin: Origin,
  ): Promise<Created | null>;
  /** Puts a refused login on record. */
  refuse(userId: string | null, origin: Origin): Promise<void>;
}

/** Told what happened, so that the gateway can count it. */
export interface SessionObserver {
  /** A check looked in the fast place: found there or not. */
  looked(hit: boolean): void;
  /** A check went to PostgreSQL because the fast place could not be used. */
  fellBack(): void;
  breaker(open: boolean): void;
  fenced(seconds: number, confirmed: boolean): void;
  /** Something an operator should read. */
  report(error: Error): void;
}

export interface User {
  readonly id: string;
  readonly organisationId: string;
  readonly email: string;
  readonly createdAt: string;
}

export interface UserStore {
  /** Null when the address is taken. */
  create(email: string, passwordHash: string, recordIn: RecordIn): Promise<User | null>;
  /** Null for a disabled account too. */
  findByEmail(
    email: string,
  ): Promise<{ id: string; organisationId: string; passwordHash: string } | null>;
  find(id: string): Promise<User | null>;
  credentials(id: string): Promise<{ passwordHash: string; role: string } | null>;
}

export interface Passwords {
  hash(password: string): Promise<string>;
  /** With null it does the same work and answers false. */
  verify(password: string, hash: string | null): Promise<boolean>;
  close(): void;
}
