import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decrypt, encrypt, openPersonal, sealPersonal } from './seal.ts';

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const personal = fc.record({
  ip: fc.option(fc.ipV6()),
  userAgent: fc.option(fc.string({ unit: 'binary', maxLength: 200 })),
});
const user = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map(String);

describe('personal fields', () => {
  it('open under their key for their user, and not otherwise', () => {
    fc.assert(
      fc.property(key, key, user, user, personal, (own, other, mine, theirs, fields) => {
        fc.pre(!own.equals(other) && mine !== theirs);
        const sealed = sealPersonal(own, mine, fields);
        expect(openPersonal(own, mine, sealed)).toEqual(fields);
        expect(openPersonal(other, mine, sealed)).toBeNull();
        expect(openPersonal(own, theirs, sealed)).toBeNull();
      }),
    );
  });

  it('do not open when any byte is another, or missing', () => {
    const own = randomBytes(32);
    const sealed = encrypt(own, 'it', Buffer.from('something'));
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at]! ^= 1;
      expect(decrypt(own, 'it', changed)).toBeNull();
      expect(decrypt(own, 'it', sealed.subarray(0, at))).toBeNull();
    }
  });

  it('are sealed with a nonce of their own each time', () => {
    const own = randomBytes(32);
    const all = Array.from({ length: 1_000 }, () =>
      sealPersonal(own, '1', { ip: '10.0.0.1', userAgent: null }).toString('hex'),
    );
    expect(new Set(all).size).toBe(1_000);
  });
});
