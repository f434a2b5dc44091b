import { createHash, randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeToken, readToken, withOtherSecret } from './token.ts';

const random = { uuid: () => randomUUID(), bytes: (count: number) => randomBytes(count) };
const { token, id, secretHash } = makeToken('eu', random);

describe('token', () => {
  it('has the documented format, and is parsed into its parts', () => {
    expect(token).toMatch(/^ps_eu\.[\w-]{22}\.[\w-]{43}\.[0-9a-f]{8}$/);
    expect(readToken(token, 'eu')).toEqual({ id, secretHash });
    const secret = token.split('.')[2]!;
    expect(secretHash).toEqual(createHash('sha256').update(secret).digest());
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(Buffer.from(id, 'base64url')).toHaveLength(16);
  });

  it('is refused in another region', () => expect(readToken(token, 'us')).toBeNull());

  it('is refused with any character changed, cut short or extended', () => {
    fc.assert(
      fc.property(fc.nat({ max: token.length - 1 }), fc.string({ minLength: 1 }), (at, text) => {
        const changed = token.slice(0, at) + text[0] + token.slice(at + 1);
        if (changed !== token) expect(readToken(changed, 'eu')).toBeNull();
        expect(readToken(token.slice(0, at), 'eu')).toBeNull();
        expect(readToken(token + text, 'eu')).toBeNull();
        expect(readToken(text, 'eu')).toBeNull();
      }),
    );
  });

  it('can be forged: the same id with another secret is well-formed', () => {
    const forged = readToken(withOtherSecret(token, random), 'eu');
    expect(forged?.id).toBe(id);
    expect(forged?.secretHash).not.toEqual(secretHash);
  });

  it('is refused at a megabyte without parsing', () => {
    expect(readToken(token.repeat(12_000), 'eu')).toBeNull();
  });
});
