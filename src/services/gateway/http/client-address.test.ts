import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createClientAddress } from './client-address.ts';

const addressOf = createClientAddress(['127.0.0.1/32', '::1/128', '10.0.0.0/8']);
const real = '203.0.113.7';

describe('the address of a client', () => {
  it.each<[string, string, string | undefined, string]>([
    ['the socket, without the header', real, undefined, real],
    ['the socket, when it is not a trusted proxy', real, '198.51.100.1', real],
    ['the entry that a trusted proxy wrote', '127.0.0.1', real, real],
    ['the rightmost that is not trusted', '127.0.0.1', `1.2.3.4, ${real}, 10.1.2.3`, real],
    ['the leftmost, when all are trusted', '127.0.0.1', '10.0.0.2,10.0.0.1', '10.0.0.2'],
    ['the socket, when the entry is no address', '127.0.0.1', `${real}, unknown`, '127.0.0.1'],
    ['the socket, when the entry is empty', '127.0.0.1', '', '127.0.0.1'],
    ['the socket, when an entry names an interface', '127.0.0.1', 'fe80::1%eth0', '127.0.0.1'],
    ['IPv6 in full', '::1', '2001:db8::7', '2001:db8::7'],
    ['the entry, when the trusted proxy is IPv4-mapped', '::ffff:127.0.0.1', real, real],
    ['a link-local socket without its zone', 'fe80::1%eth0', undefined, 'fe80::1'],
  ])('is %s', (_what, socket, forwarded, expected) => {
    expect(addressOf(socket, forwarded)).toBe(expected);
  });

  it('does not depend on entries left of the one the proxy wrote', () => {
    fc.assert(
      fc.property(fc.string(), (forged) => {
        expect(addressOf('127.0.0.1', `${forged}, ${real}`)).toBe(real);
      }),
    );
  });

  it('refuses a trusted range that is not valid', () => {
    expect(() => createClientAddress(['balancer'])).toThrow("CIDR range: 'balancer'");
    expect(() => createClientAddress(['10.0.0.0/99'])).toThrow();
  });
});
