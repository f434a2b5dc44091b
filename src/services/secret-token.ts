/**
 * Common to all tokens: a secret of 256 random bits of which only the SHA-256 is stored, and a CRC-32 checksum that
 * rejects typing errors before anything is hashed or looked up. The checksum is no protection: anyone can compute it.
 * Pure.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Random } from './ports.ts';

const SECRET_BYTES = 32;

export const newSecret = (random: Random): string =>
  random.bytes(SECRET_BYTES).toString('base64url');

export const checksumOf = (text: string): string => crc32(text).toString(16).padStart(8, '0');

export const hashOf = (secret: string): Buffer => hash('sha256', secret, 'buffer');

/** In constant time, so that the duration does not reveal a partial match. */
export const hashesEqual = (a: Buffer, b: Buffer): boolean =>
  a.length === b.length && timingSafeEqual(a, b);
