/**
 * What every token of ours has in common: a secret of 256 random bits of which only the SHA-256 is stored, and a check
 * (CRC-32 of all before it) that refuses typing errors and noise before anything is hashed or looked up. The check is
 * no protection: anybody can compute it. Pure.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Random } from './ports.ts';

const secretBytes = 32;

export const newSecret = (random: Random): string =>
  random.bytes(secretBytes).toString('base64url');

export const checkOf = (text: string): string => crc32(text).toString(16).padStart(8, '0');

export const hashOf = (secret: string): Buffer => hash('sha256', secret, 'buffer');

/** In constant time: how much of a guess was right must not show. */
export const sameHash = (a: Buffer, b: Buffer): boolean =>
  a.length === b.length && timingSafeEqual(a, b);
