import { randomBytes, randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { checksumOf, hashesEqual, hashOf, newSecret } from './secret-token.ts';

const random = { uuid: () => randomUUID(), bytes: (count: number) => randomBytes(count) };

it('a secret has 256 bits, in 43 characters', () => {
  const secret = newSecret(random);
  expect(secret).toMatch(/^[\w-]{43}$/);
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
});

it('a check is that of CRC-32, always eight characters', () => {
  expect(checksumOf('123456789')).toBe('cbf43926');
  expect(checksumOf('')).toBe('00000000');
});

it('whole hashes are compared', () => {
  const hash = hashOf('secret');
  expect(hashesEqual(hash, hashOf('secret'))).toBe(true);
  expect(hashesEqual(hash, hash.subarray(1))).toBe(false);
  const other = hashOf('secret');
  other[31]! ^= 1;
  expect(hashesEqual(hash, other)).toBe(false);
});
