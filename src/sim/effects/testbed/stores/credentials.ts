/**
 * Passwords of the servers that a run starts: fresh for each run, and never in an argument, which every local account can
 * read. PostgreSQL gets verifiers, so that no statement text holds a password.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

export interface Login {
  readonly role: string;
  readonly password: string;
}

/**
 * The password is 32 random bytes, so guessing is as hopeless after one iteration as after the usual 4,096, which would
 * cost a client some milliseconds for each connection.
 */
const ITERATIONS = 1;

/** 256 bits, in characters that a URL and a configuration file take as they are. */
export const newPassword = (): string => randomBytes(32).toString('base64url');

/** RFC 5803, as PostgreSQL stores it: it proves a password and does not reveal it. */
export function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256');
  const keyOf = (name: string) => createHmac('sha256', salted).update(name).digest();
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  const serverKey = keyOf('Server Key').toString('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/** The address with these credentials instead of its own. */
export function withLogin(address: string, { role, password }: Login): string {
  const url = new URL(address);
  url.username = role;
  url.password = password;
  return url.toString();
}
