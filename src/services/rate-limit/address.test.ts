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
    ['2001:db8::203.0.113.7', '2001:db8::/64'],
    ['::', '::/64'],
    ['64:ff9b:2::203.0.113.7', '64:ff9b:2::/64'],
    ['2001:1::203.0.113.7', '2001:1::/64'],
    ['2003:cb00:7107::1', '2003:cb00:7107::/64'],
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

  it.each([
    ['NAT64, well-known', '64:ff9b::203.0.113.7'],
    ['NAT64, well-known, in hex', '64:FF9B::cb00:7107'],
    ['NAT64, local use, a /96', '64:ff9b:1:fffe::203.0.113.7'],
    ['NAT64, local use, a /96 with zeros', '64:ff9b:1::203.0.113.7'],
    ['NAT64, local use, the /48', '64:ff9b:1:cb00:71:700::'],
    ['6to4', '2002:cb00:7107:1:2:3:4:5'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:34ff:8ef8'],
    ['IPv4-mapped', '::ffff:203.0.113.7'],
    ['IPv4-compatible', '::203.0.113.7'],
    ['IPv4-translated', '::ffff:0:203.0.113.7'],
  ])('is the IPv4 address inside: %s', (_what, given) =>
    expect(normalizeAddress(given)).toBe('203.0.113.7'),
  );

  it('is the same for an IPv4 address and every way to carry it in IPv6', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    const host = fc.tuple(fc.integer({ min: 0x100, max: 0xffff }), group);
    fc.assert(
      fc.property(host, group, ([high, low], any) => {
        const hex = (n: number) => n.toString(16);
        const [h, l] = [hex(high), hex(low)];
        const expected = normalizeAddress([high >> 8, high & 255, low >> 8, low & 255].join('.'));
        for (const carrying of [
          `::${h}:${l}`,
          `::ffff:${h}:${l}`,
          `::ffff:0:${h}:${l}`,
          `64:ff9b::${h}:${l}`,
          `64:ff9b:1:${hex(any)}::${h}:${l}`,
          `64:ff9b:1:${h}:${hex(low >> 8)}:${hex((low & 255) << 8)}::`,
          `2002:${h}:${l}:${hex(any)}::1`,
          `2001:0:${hex(any)}::${hex(any)}:${hex(high ^ 0xffff)}:${hex(low ^ 0xffff)}`,
        ])
          expect([carrying, normalizeAddress(carrying)]).toEqual([carrying, expected]);
      }),
    );
  });

  it('is the same however the address is written, and for the whole /64', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(
        fc.tuple(group, group, group, group),
        fc.tuple(group, group, group, group),
        fc.tuple(group, group, group, group),
        ([first, ...network], one, other) => {
          const written = (host: readonly number[], hex: (n: number) => string) =>
            [(first & 0xfff) | 0x2800, ...network, ...host].map(hex).join(':');
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
