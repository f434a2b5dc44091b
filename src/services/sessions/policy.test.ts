import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findDesign } from '../design.ts';
import {
  decodeSession,
  encodeSession,
  hasEnded,
  idleTtlMs,
  isToken,
  newSession,
} from './policy.ts';

const design = findDesign('turn4.after').sessions;
const user = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map(String);
const time = fc.integer({ min: 0, max: 4e12 });

describe('session policy', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(user, time, (userId, nowMs) => {
        const session = newSession(userId, nowMs, design);
        expect(decodeSession(encodeSession(session))).toEqual(session);
      }),
    );
  });

  it('never throws on text it did not write, and reads only its own shape', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const session = decodeSession(text);
        if (session) expect(text).toMatch(/^\d+\.\d+\.\d+$/);
      }),
    );
  });

  it('ends exactly at the absolute timeout, and idles no further than that', () => {
    fc.assert(
      fc.property(time, fc.nat({ max: 2 * design.absoluteTimeoutMs }), (startMs, ageMs) => {
        const session = newSession('1', startMs, design);
        const nowMs = startMs + ageMs;
        expect(hasEnded(session, nowMs)).toBe(ageMs >= design.absoluteTimeoutMs);
        const ttlMs = idleTtlMs(session, nowMs, design);
        expect(ttlMs).toBeLessThanOrEqual(design.idleTimeoutMs);
        expect(nowMs + ttlMs).toBeLessThanOrEqual(session.endsAtMs);
      }),
    );
  });

  it('knows a token by its shape', () => {
    expect(isToken(`ps_${'a'.repeat(43)}`)).toBe(true);
    for (const text of [
      '',
      'ps_',
      `ps_${'a'.repeat(42)}`,
      `ps_${'a'.repeat(44)}`,
      `ps_${'*'.repeat(43)}`,
    ])
      expect(isToken(text)).toBe(false);
  });
});
