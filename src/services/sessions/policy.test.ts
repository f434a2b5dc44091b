import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findDesign } from '../lineage.ts';
import {
  absoluteEndMs,
  decodeSession,
  encodeSession,
  hasEnded,
  hasIdled,
  idleTtlMs,
  type StoredSession,
} from './policy.ts';

const design = findDesign('turn1.after').sessions;
const time = fc.integer({ min: 0, max: 4e12 });
const identity = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map(String);
const session: fc.Arbitrary<StoredSession> = fc.record({
  id: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(base64url),
  userId: identity,
  organisationId: identity,
  createdAtMs: time,
  endsAtMs: time,
  secretHash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
});

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

describe('session policy', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(session, (one) => {
        expect(decodeSession(encodeSession(one))).toEqual(one);
      }),
    );
  });

  it('never throws on arbitrary text, and decodes only its own format', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const one = decodeSession(text);
        if (one) expect(encodeSession(one)).toBe(text);
      }),
    );
  });

  it('ends exactly at the absolute timeout, and a copy never outlives it', () => {
    fc.assert(
      fc.property(
        session,
        time,
        fc.nat({ max: 2 * design.absoluteTimeoutMs }),
        fc.nat({ max: design.idleTimeoutMs }),
        (one, createdAtMs, ageMs, unusedMs) => {
          const started = { ...one, createdAtMs, endsAtMs: absoluteEndMs(createdAtMs, design) };
          const nowMs = createdAtMs + ageMs;
          expect(hasEnded(started, nowMs)).toBe(ageMs >= design.absoluteTimeoutMs);
          const ttlMs = idleTtlMs(started, nowMs - unusedMs, nowMs, design);
          expect(ttlMs).toBeLessThanOrEqual(design.idleTimeoutMs - unusedMs);
          expect(nowMs + ttlMs).toBeLessThanOrEqual(started.endsAtMs);
        },
      ),
    );
  });

  it('idles exactly at the idle timeout', () => {
    expect(hasIdled(1_000, 1_000 + design.idleTimeoutMs - 1, design)).toBe(false);
    expect(hasIdled(1_000, 1_000 + design.idleTimeoutMs, design)).toBe(true);
  });
});
