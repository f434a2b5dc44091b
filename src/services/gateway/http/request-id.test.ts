import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientRequestIdOf } from './request-id.ts';

describe("a client's request id, as it is recorded", () => {
  it.each([
    [undefined, null],
    ['', null],
    ['run:1.op_2-3', 'run:1.op_2-3'],
    ['x'.repeat(64), 'x'.repeat(64)],
    ['x'.repeat(65), `${'x'.repeat(64)}~`],
    ['a b', 'a%20b'],
    ['=cmd|x', '%3Dcmd%7Cx'],
    ['a%20b', 'a%2520b'],
    ['me@example.test', 'me%40example.test'],
    ['\u00e9\t', '%E9%09'],
    [`${'x'.repeat(64)}`.replace(/x$/, '~'), `${'x'.repeat(63)}%7E`],
    // Two header lines, as Node joins them.
    ['a, b', 'a%2C%20b'],
  ])('%j is %j', (header, recorded) => expect(clientRequestIdOf(header)).toBe(recorded));

  it('is bounded, has no character with a meaning anywhere, and stands for one id', () => {
    const header = fc.string({
      unit: fc.integer({ min: 9, max: 255 }).map(String.fromCharCode),
      maxLength: 90,
    });
    fc.assert(
      fc.property(header, header, (a, b) => {
        const [one, other] = [clientRequestIdOf(a), clientRequestIdOf(b)];
        expect(one ?? '').toMatch(/^(?:[A-Za-z0-9_.:-]|%[0-9A-F]{2}){0,64}~?$/);
        if (a.length <= 64 && b.length <= 64) expect(one === other).toBe(a === b);
      }),
    );
  });
});
