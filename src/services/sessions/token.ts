/**
 * The token: `ps_<region>.<id>.<secret>.<check>`. The prefix lets secret scanners find it, the id (128 random bits)
 * names the row, the secret proves possession.
 */
import type { Random } from '../ports.ts';
import { checksumOf, hashOf, newSecret } from '../secret-token.ts';

const ID_BYTES = 16;
/** With the longest region, 8 letters; a longer text is refused without parsing it. */
const MAX_LENGTH = 3 + 8 + 1 + 22 + 1 + 43 + 1 + 8;
const shape = /^ps_([a-z]{2,8})\.([\w-]{22})\.([\w-]{43})\.([0-9a-f]{8})$/;

export interface PresentedToken {
  readonly id: string;
  readonly secretHash: Buffer;
}

export function makeToken(region: string, random: Random): PresentedToken & { token: string } {
  const id = random.bytes(ID_BYTES).toString('base64url');
  const secret = newSecret(random);
  const text = `ps_${region}.${id}.${secret}`;
  return { token: `${text}.${checksumOf(text)}`, id, secretHash: hashOf(secret) };
}

/** A well-formed token of the same session with another secret, as a forger would send it. */
export function withOtherSecret(token: string, random: Random): string {
  const [prefix, id] = token.split('.');
  const text = `${prefix}.${id}.${newSecret(random)}`;
  return `${text}.${checksumOf(text)}`;
}

/** Null for anything that is not a token of this region. */
export function readToken(text: string, region: string): PresentedToken | null {
  if (text.length > MAX_LENGTH) return null;
  const match = shape.exec(text);
  if (match?.[1] !== region || match[4] !== checksumOf(text.slice(0, -9))) return null;
  return { id: match[2]!, secretHash: hashOf(match[3]!) };
}
