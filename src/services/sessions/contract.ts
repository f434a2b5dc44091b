/**
 * Accounts and sessions. Promises: a token is 256 random bits and only its SHA-256 is stored; a session ends at
 * logout (at once), after the idle timeout, or after the absolute timeout, whichever is first; a login for an
 * unknown address costs as much as one with a wrong password.
 */

export interface Session {
  readonly userId: string;
  readonly createdAtMs: number;
  readonly endsAtMs: number;
}

export interface SessionStore {
  create(userId: string): Promise<{ token: string; session: Session }>;
  /** Null when the token is unknown or ended. Extends the idle timeout. One round trip. */
  check(token: string): Promise<Session | null>;
  /** The token is refused by every check that starts after this returned. */
  end(token: string): Promise<void>;
}

export interface User {
  readonly id: string;
  readonly email: string;
  readonly createdAt: string;
}

export interface UserStore {
  /** Null when the address is taken. */
  create(email: string, passwordHash: string): Promise<User | null>;
  findByEmail(email: string): Promise<{ id: string; passwordHash: string } | null>;
  find(id: string): Promise<User | null>;
}

export interface Passwords {
  hash(password: string): Promise<string>;
  /** With null it does the same work and answers false. */
  verify(password: string, hash: string | null): Promise<boolean>;
}
