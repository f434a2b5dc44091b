/**
 * Tokens of programs: `pk_<key>_<secret>_<check>` is a key, `pa_<key>_<slot>_<secret>_<check>` an agent of it. The
 * prefix lets secret scanners find them and distinguishes them from session tokens; the numbers identify the row. An
 * agent sends only its own token, not the key's. Pure.
 */
import type { Random } from '../ports.ts';
import { checksumOf, hashOf, newSecret } from '../secret-token.ts';

/** Agents on one key. */
export const MAX_SLOTS = 200;

/** A longer text is refused unparsed. */
const MAX_LENGTH = 3 + 18 + 1 + 3 + 1 + 43 + 1 + 8;
const shape =
  /^(?:pk_([1-9]\d{0,17})|pa_([1-9]\d{0,17})_([1-9]\d{0,2}))_([\w-]{43})_([0-9a-f]{8})$/;

export interface PresentedKey {
  readonly keyId: string;
  /** 0 for the key itself. */
  readonly slot: number;
  readonly secretHash: Buffer;
}

export interface KeySecret {
  readonly secretHash: Buffer;
  /** Called after the insert, because the database assigns the key id. */
  token(keyId: string, slot: number): string;
}

export function makeSecret(random: Random): KeySecret {
  const secret = newSecret(random);
  return {
    secretHash: hashOf(secret),
    token(keyId, slot) {
      const text = slot === 0 ? `pk_${keyId}_${secret}` : `pa_${keyId}_${slot}_${secret}`;
      return `${text}_${checksumOf(text)}`;
    },
  };
}

/** Whether a bearer token is for this service at all. */
export const isKeyToken = (text: string): boolean => /^p[ka]_/.test(text);

/** Null for anything that is not such a token. */
export function readKeyToken(text: string): PresentedKey | null {
  if (text.length > MAX_LENGTH) return null;
  const match = shape.exec(text);
  if (!match || match[5] !== checksumOf(text.slice(0, -9))) return null;
  const slot = Number(match[3] ?? 0);
  if (slot > MAX_SLOTS) return null;
  return { keyId: (match[1] ?? match[2])!, slot, secretHash: hashOf(match[4]!) };
}

/** Names a credential in the history and in the audit log; not a secret. */
export const subjectOf = (keyId: string, slot: number): string =>
  slot === 0 ? `key:${keyId}` : `agent:${keyId}/${slot}`;
