import { randomBytes, randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { checkOf, hashOf, newSecret, sameHash } from './secret-token.ts';

const random = { uuid: () => randomUUID(), bytes: (count: number) => randomBytes(count) };

it('a secret has 256 bits, in 43 characters', () => {
  const secret = newSecret(random);
  expect(secret).toMatch(/^[\w-]{43}$/);
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
});

it('a check is that of CRC-32, always eight characters', () => {
  expect(checkOf('123456789')).toBe('cbf43926');
  expect(checkOf('')).toBe('00000000');
});

it('whole hashes are compared', () => {
  const hash = hashOf('secret');
  expect(sameHash(hash, hashOf('secret'))).toBe(true);
  expect(sameHash(hash, hash.subarray(1))).toBe(false);
  const other = hashOf('secret');
  other[31]! ^= 1;
  expect(sameHash(hash, other)).toBe(false);
});
