import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalizeAddress } from './address.ts';

describe('the address a limit counts by', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    [' 203.0.113.7 ', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:0:7:1:2:3:4', '2001:db8:0:7::/64'],
    ['2001:DB8::1', '2001:db8::/64'],
    ['2001:db8:0:0:ffff::', '2001:db8::/64'],
    ['::1', '::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    // Not the mapped range: another network, which happens to end in an IPv4 address.
    ['64:ff9b::203.0.113.7', '64:ff9b::/64'],
  ])('%s counts as %s', (given, expected) => expect(normalizeAddress(given)).toBe(expected));

  it.each([
    '',
    'unknown',
    '203.0.113',
    '203.0.113.7:80',
    '[::1]',
    '::1::2',
    '2001:db8::/64',
    '1;2',
  ])('%j is no address', (given) => expect(normalizeAddress(given)).toBeNull());

  it('is the same however the address is written, and for the whole /64', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(
        fc.tuple(group, group, group, group),
        fc.tuple(group, group, group, group),
        fc.tuple(group, group, group, group),
        ([first, ...network], one, other) => {
          const written = (host: readonly number[], hex: (n: number) => string) =>
            [first | 0x2000, ...network, ...host].map(hex).join(':');
          const short = normalizeAddress(written(one, (n) => n.toString(16)));
          const long = normalizeAddress(
            written(other, (n) => n.toString(16).toUpperCase().padStart(4, '0')),
          );
          expect(short).toBe(long);
          expect(short).toMatch(/::\/64$/);
        },
      ),
    );
  });
});
