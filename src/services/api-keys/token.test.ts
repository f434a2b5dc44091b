import { createHash, randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isKeyToken, makeSecret, readKeyToken, subjectOf } from './token.ts';

const random = { uuid: () => randomUUID(), bytes: (count: number) => randomBytes(count) };

describe('the token of a key or an agent', () => {
  it('is recognisable, and its parts are read back', () => {
    const { secretHash, token } = makeSecret(random);
    expect(token('12', 0)).toMatch(/^pk_12_[\w-]{43}_[0-9a-f]{8}$/);
    expect(token('12', 7)).toMatch(/^pa_12_7_[\w-]{43}_[0-9a-f]{8}$/);
    expect(readKeyToken(token('12', 0))).toEqual({ keyId: '12', slot: 0, secretHash });
    expect(readKeyToken(token('12', 7))).toEqual({ keyId: '12', slot: 7, secretHash });
    const secret = token('12', 7).slice('pa_12_7_'.length, -'_12345678'.length);
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(secretHash).toEqual(createHash('sha256').update(secret).digest());
    expect([subjectOf('12', 0), subjectOf('12', 7)]).toEqual(['key:12', 'agent:12/7']);
  });

  it('is read back whatever the numbers and the secret are', () => {
    const numbers = fc.tuple(
      fc.bigInt({ min: 1n, max: 10n ** 18n - 1n }),
      fc.integer({ min: 0, max: 200 }),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
    );
    fc.assert(
      fc.property(numbers, ([key, slot, bytes]) => {
        const made = makeSecret({ ...random, bytes: () => Buffer.from(bytes) });
        const read = readKeyToken(made.token(String(key), slot));
        expect(read).toEqual({ keyId: String(key), slot, secretHash: made.secretHash });
      }),
    );
  });

  it('is invalid with any one character changed, cut short or longer', () => {
    const made = makeSecret(random);
    for (const token of [made.token('12', 0), made.token('12', 7)]) {
      fc.assert(
        fc.property(fc.nat({ max: token.length - 1 }), fc.string({ minLength: 1 }), (at, text) => {
          const changed = token.slice(0, at) + text[0] + token.slice(at + 1);
          if (changed !== token) expect(readKeyToken(changed)).toBeNull();
          expect(readKeyToken(token.slice(0, at))).toBeNull();
          expect(readKeyToken(token + text)).toBeNull();
          expect(readKeyToken(text)).toBeNull();
        }),
      );
    }
  });

  it('is invalid for a slot above the maximum, and when it is a megabyte long', () => {
    const { token } = makeSecret(random);
    expect(readKeyToken(token('12', 201))).toBeNull();
    expect(readKeyToken(token('12', 1).repeat(16_000))).toBeNull();
  });

  it('is distinguished from a session token by its prefix', () => {
    const isKey = ['pk_1_x', 'pa_1_2_x', 'ps_us.x', 'x_pk_'].map(isKeyToken);
    expect(isKey).toEqual([true, true, false, false]);
  });
});
