import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCopyCodec } from './copy-codec.ts';
import type { StoredSession } from './policy.ts';

const ISSUED_MS = 1_700_000_000_000;
const key = Buffer.alloc(32, 1);
const codec = createCopyCodec({ key, nowMs: () => ISSUED_MS });
const session: StoredSession = {
  id: 'A'.repeat(22),
  userId: '7',
  organisationId: '3',
  createdAtMs: 1_000,
  endsAtMs: 9_000,
  secretHash: Buffer.alloc(32, 2),
};
const place = 'ps:s:1:run:session';
const text = codec.encode(session, place);

describe('a copy of a session in Redis', () => {
  it('is read back where it was written, with when', () => {
    expect(codec.decode(text, place)).toEqual({ session, issuedMs: ISSUED_MS });
  });

  it('begins with the session id and a dot, by which its time to live is extended', () => {
    expect(text.startsWith(`${session.id}.`)).toBe(true);
  });

  it('is refused at every other place: another session, generation or Redis', () => {
    for (const other of ['ps:s:2:run:session', 'ps:s:1:other:session', 'ps:s:1:run:other', ''])
      expect(codec.decode(text, other)).toBeNull();
  });

  it('is refused when any character of it is changed', () => {
    const alphabet = '0123456789ABab-_.';
    for (let index = 0; index < text.length; index += 1)
      for (const character of alphabet) {
        if (text[index] === character) continue;
        const altered = text.slice(0, index) + character + text.slice(index + 1);
        const decoded = codec.decode(altered, place);
        // The last character of the MAC has two bits that stand for nothing.
        if (index < text.length - 1) expect(decoded, altered).toBeNull();
        else if (decoded !== null) expect(decoded.session).toEqual(session);
      }
  });

  it('is refused under any other key, and without a MAC', () => {
    const forged = createCopyCodec({ key: Buffer.alloc(32, 9), nowMs: () => ISSUED_MS });
    expect(codec.decode(forged.encode(session, place), place)).toBeNull();
    const body = text.slice(0, text.lastIndexOf('.'));
    const unkeyed = createHmac('sha256', '').update(`${place}\n${body}`).digest('base64url');
    for (const mac of [unkeyed, 'A'.repeat(43), ''])
      expect(codec.decode(`${body}.${mac}`, place)).toBeNull();
    expect(codec.decode(body, place)).toBeNull();
  });

  it('never throws on arbitrary text', () => {
    fc.assert(
      fc.property(fc.string(), (anything) => {
        expect(codec.decode(anything, place)).toBeNull();
      }),
    );
  });
});
