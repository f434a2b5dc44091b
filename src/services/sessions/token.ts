/**
 * The token: `ps_<region>.<id>.<secret>.<check>`. The prefix lets secret scanners find it, the id (128 random bits)
 * names the row, the secret (256) proves possession, the check (CRC-32 of all before it) refuses typing errors and
 * noise before anything is hashed or looked up. It is no protection: anybody can compute it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Random } from '../ports.ts';

const idBytes = 16;
const secretBytes = 32;
/** Longest region 8; everything longer is refused without reading it. */
const maxLength = 3 + 8 + 1 + 22 + 1 + 43 + 1 + 8;
const shape = /^ps_([a-z]{2,8})\.([\w-]{22})\.([\w-]{43})\.([0-9a-f]{8})$/;

export interface PresentedToken {
  readonly id: string;
  readonly secretHash: Buffer;
}

const checkOf = (text: string): string => crc32(text).toString(16).padStart(8, '0');
const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest();

export function makeToken(region: string, random: Random): PresentedToken & { token: string } {
  const id = random.bytes(idBytes).toString('base64url');
  const secret = random.bytes(secretBytes).toString('base64url');
  const text = `ps_${region}.${id}.${secret}`;
  return { token: `${text}.${checkOf(text)}`, id, secretHash: hashOf(secret) };
}

/** Null for anything that is not a token of this region. */
export function readToken(text: string, region: string): PresentedToken | null {
  if (text.length > maxLength) return null;
  const match = shape.exec(text);
  if (match?.[1] !== region || match[4] !== checkOf(text.slice(0, -9))) return null;
  return { id: match[2]!, secretHash: hashOf(match[3]!) };
}

/** In constant time: how much of a guess was right must not show. */
export const sameHash = (a: Buffer, b: Buffer): boolean =>
  a.length === b.length && timingSafeEqual(a, b);
