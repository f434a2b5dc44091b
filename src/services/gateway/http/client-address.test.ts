import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createClientAddress } from './client-address.ts';
import type { ForwardedHeaders } from './forwarded.ts';

const trusted = ['127.0.0.1/32', '::1/128', '10.0.0.0/8'];
const addressOf = createClientAddress(trusted);
const real = '203.0.113.7';
const realV6 = '2001:db8::7';
const peer = '127.0.0.1';
const forwardedFor = (value: string | string[]): ForwardedHeaders => ({ 'x-forwarded-for': value });
const forwarded = (value: string | string[]): ForwardedHeaders => ({ forwarded: value });

describe('the address of a client', () => {
  it.each<[string, string, string | undefined, string]>([
    ['the socket, without the header', real, undefined, real],
    ['the socket, when it is not a trusted proxy', real, '198.51.100.1', real],
    ['the entry that a trusted proxy wrote', peer, real, real],
    ['the rightmost that is not trusted', peer, `1.2.3.4, ${real}, 10.1.2.3`, real],
    ['the leftmost, when all are trusted', peer, '10.0.0.2,10.0.0.1', '10.0.0.2'],
    ['the socket, when the entry is no address', peer, `${real}, unknown`, peer],
    ['the socket, when the entry is empty', peer, '', peer],
    ['the socket, when an entry names an interface', peer, 'fe80::1%eth0', peer],
    ['IPv6 in full', '::1', realV6, realV6],
    ['the entry, when the trusted proxy is IPv4-mapped', '::ffff:127.0.0.1', real, real],
    ['a link-local socket without its zone', 'fe80::1%eth0', undefined, 'fe80::1'],
    ['IPv4 without its port', peer, `${real}:51234`, real],
    ['IPv6 without brackets', peer, `[${realV6}]`, realV6],
    ['IPv6 without brackets and port', peer, `1.2.3.4, [${realV6}]:443`, realV6],
    ['the entry in quotes', peer, `"${real}:80"`, real],
    ['the bracketed entry in quotes', peer, `"[${realV6}]:80"`, realV6],
    ['the entry before trailing commas', peer, `1.2.3.4, ${real}, ,`, real],
    ['the entry after an open quote of the client', peer, `"1.2.3.4, ${real}`, real],
    ['behind a proxy with a port', peer, `${real}, 10.0.0.1:8080`, real],
    ['the socket, when brackets hold IPv4', peer, `[${real}]:80`, peer],
    ['the socket, when a port is too large', peer, `${real}:99999`, peer],
    ['the socket, when a port is no number', peer, `${real}:http`, peer],
    ['the socket, when a quote is not closed', peer, `${real}"`, peer],
    ['the socket, when brackets name an interface', peer, '[fe80::1%eth0]:80', peer],
    ['the socket, when IPv4 has leading zeros', peer, '203.000.113.007', peer],
  ])('in X-Forwarded-For is %s', (_what, socket, value, expected) => {
    expect(addressOf(socket, value === undefined ? {} : forwardedFor(value))).toBe(expected);
  });

  it.each<[string, string, string]>([
    ['for', `for=${real}`, real],
    ['for with a port, in quotes', `for="${real}:4711"`, real],
    ['a bracketed IPv6 address', `for="[${realV6}]:4711";proto=https`, realV6],
    ['for in any case, among other pairs', `By=10.0.0.1; FOR=${real};host="a;b,c"`, real],
    ['the last element that is no proxy', `for=1.2.3.4, for="${real}", for=10.0.0.9`, real],
    ['the element before trailing commas', `for=${real},,`, real],
    ['escaped characters', `for="203.0\\.113.7"`, real],
    ['the element after an open quote of the client', `for="1.2.3.4, for=${real}`, real],
    ['quotes after an open quote of the client', `x=", for="[${realV6}]:80"`, realV6],
    ['the socket for unknown', 'for=1.2.3.4, for=unknown', peer],
    ['the socket for an obfuscated name', 'for=1.2.3.4, for=_hidden', peer],
    ['the socket without for', `for=1.2.3.4, proto=https`, peer],
    ['the socket, when for is there twice', `for=1.2.3.4;for=${real}`, peer],
    ['the socket, when it is no pair', real, peer],
  ])('in Forwarded is %s', (_what, value, expected) => {
    expect(addressOf(peer, forwarded(value))).toBe(expected);
  });

  it('is in the last of several header lines', () => {
    expect(addressOf(peer, forwardedFor(['1.2.3.4', real]))).toBe(real);
    expect(addressOf(peer, forwarded(['for=1.2.3.4', `for=${real}`]))).toBe(real);
  });

  it('is read from X-Forwarded-For first, or from Forwarded alone where the proxies write that', () => {
    const both = { ...forwardedFor(real), ...forwarded('for=198.51.100.9') };
    expect(addressOf(peer, both)).toBe(real);
    const ofForwarded = createClientAddress(trusted, 'forwarded');
    expect(ofForwarded(peer, both)).toBe('198.51.100.9');
    expect(ofForwarded(peer, forwardedFor(real))).toBe(peer);
  });

  const anyText = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'",;\\=[]: f1') }),
    fc.string({ unit: 'binary' }),
  );
  it('does not depend on anything left of what the proxy wrote, in either field', () => {
    fc.assert(
      fc.property(anyText, fc.constantFrom(real, `"[${realV6}]:80"`), (forged, written) => {
        const expected = written === real ? real : realV6;
        expect(addressOf(peer, forwardedFor(`${forged}, ${written}`))).toBe(expected);
        expect(addressOf(peer, forwarded(`${forged}, for=${written}`))).toBe(expected);
      }),
    );
  });

  it('is an address that a proxy wrote, or the peer, whatever is sent', () => {
    fc.assert(
      fc.property(anyText, fc.constantFrom('x', '_', '%', '300.1.1.1'), (value, ending) => {
        expect(addressOf(real, { ...forwardedFor(value), ...forwarded(value) })).toBe(real);
        expect(addressOf(peer, forwardedFor(`${value}, ${ending}`))).toBe(peer);
      }),
    );
  });

  it('refuses a trusted range that is not valid', () => {
    expect(() => createClientAddress(['balancer'])).toThrow("CIDR range: 'balancer'");
    expect(() => createClientAddress(['10.0.0.0/99'])).toThrow();
  });
});
