import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isoFromUs } from '../ports.ts';
import {
  compareNewestFirst,
  decodeCursor,
  encodeCursor,
  isBadData,
  isConnectionLoss,
  isoFromPostgres,
  outcomeOf,
  pageOf,
  parseChange,
  sanitizeText,
} from './policy.ts';

const us = fc.integer({ min: 0, max: 4_000_000_000_000_000 });
const id = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const position = fc.record({ occurredAt: us.map(isoFromUs), id: id.map(String) });
const item = (at: { occurredAt: string; id: string }) => ({
  ...at,
  userId: '1',
  action: 'a',
  resourceType: 'r',
  resourceId: null,
  outcome: 'success',
  requestId: 'q',
});

describe('cursor', () => {
  it('reads back every position', () => {
    fc.assert(
      fc.property(position, (at) => {
        expect(decodeCursor(encodeCursor(at))).toEqual(at);
      }),
    );
  });

  it('refuses anything it did not write', () => {
    const text = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.string().map((s) => Buffer.from(s).toString('base64url')),
    );
    fc.assert(
      fc.property(text, (garbage) => {
        expect(decodeCursor(garbage)).toBeNull();
      }),
    );
    const good = encodeCursor({ occurredAt: isoFromUs(1_763_694_195_123_456), id: '7' });
    fc.assert(
      fc.property(
        fc.nat({ max: good.length - 1 }),
        fc.constantFrom('A', '_', '9', '='),
        (at, letter) => {
          const bent = good.slice(0, at) + letter + good.slice(at + 1);
          const decoded = decodeCursor(bent);
          if (decoded) expect(encodeCursor(decoded)).toBe(bent);
        },
      ),
    );
  });

  it.each([
    '2026-02-30T00:00:00.000000Z/1',
    '2026-13-01T00:00:00.000000Z/1',
    '2026-01-01T24:00:00.000000Z/1',
    '2026-01-01T00:00:00.000000Z/9223372036854775808',
    '2026-01-01T00:00:00.000000Z/007x',
  ])('refuses %s', (text) => {
    expect(decodeCursor(Buffer.from(text).toString('base64url'))).toBeNull();
  });
});

describe('order and pages', () => {
  it('is newest first by time, then by id as a number', () => {
    fc.assert(
      fc.property(us, us, id, id, (timeA, timeB, idA, idB) => {
        const a = { occurredAt: isoFromUs(timeA), id: String(idA) };
        const b = { occurredAt: isoFromUs(timeB), id: String(idB) };
        const expected = timeA !== timeB ? timeB - timeA : Number(idB > idA) - Number(idB < idA);
        expect(Math.sign(compareNewestFirst(a, b))).toBe(Math.sign(expected));
      }),
    );
  });

  it('has a next cursor exactly when something is left', () => {
    fc.assert(
      fc.property(
        fc.array(position, { maxLength: 20 }),
        fc.integer({ min: 1, max: 20 }),
        (all, limit) => {
          const page = pageOf(all.map(item), limit);
          expect(page.items).toHaveLength(Math.min(limit, all.length));
          expect(page.next !== null).toBe(all.length > limit);
        },
      ),
    );
  });
});

describe('audit policy', () => {
  it.each([
    [200, 'success'],
    [204, 'success'],
    [400, 'failure'],
    [401, 'denied'],
    [404, 'denied'],
    [429, 'denied'],
    [503, 'failure'],
  ])('status %i means %s', (status, outcome) => {
    expect(outcomeOf(status)).toBe(outcome);
  });

  it('keeps what PostgreSQL cannot store out of an event', () => {
    expect(sanitizeText('a\u0000b', 10)).toBe('ab');
    expect(sanitizeText('abcdef', 3)).toBe('abc');
    expect(sanitizeText(undefined, 3)).toBeNull();
  });

  it.each([
    ['2026-11-21 03:23:15+00', '2026-11-21T03:23:15.000000Z'],
    ['2026-11-21 03:23:15.1234+00', '2026-11-21T03:23:15.123400Z'],
  ])('reads %s', (text, iso) => {
    expect(isoFromPostgres(text)).toBe(iso);
  });

  it('refuses a timestamp of another zone', () => {
    expect(() => isoFromPostgres('2026-11-21 03:23:15+01')).toThrow('UTC');
  });

  it('distinguishes a lost connection from refused data', () => {
    const coded = (code: string) => Object.assign(new Error('x'), { code });
    for (const code of ['57P01', '08006', 'ECONNRESET'])
      expect(isConnectionLoss(coded(code))).toBe(true);
    for (const code of ['22021', '23505', '57014'])
      expect(isConnectionLoss(coded(code))).toBe(false);
    expect(isConnectionLoss(new Error('Connection terminated unexpectedly'))).toBe(true);
    expect(isBadData(coded('22021'))).toBe(true);
    expect(isBadData(coded('57P01'))).toBe(false);
  });
});

describe('a recorded change', () => {
  it('is read as it was written, and a tampered one is none instead of an error', () => {
    const change = { before: null, after: { limit: 5 } };
    expect(parseChange(JSON.stringify(change))).toEqual(change);
    for (const text of ['{', 'x', '7', '', '"text"']) expect(parseChange(text)).toBeNull();
  });
});
