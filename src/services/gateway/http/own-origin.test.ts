import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOwnPageCheck } from './own-origin.ts';

const isOwnPage = createOwnPageCheck();

describe('a page is our own', () => {
  it.each([
    ['the same host', 'https://app.example.com', 'app.example.com'],
    ['the default port in Host', 'https://app.example.com', 'app.example.com:443'],
    ['the default port in Origin', 'https://app.example.com:443', 'app.example.com'],
    ['the default port of http', 'http://app.example.com', 'app.example.com:80'],
    ['another port in both', 'https://app.example.com:8443', 'app.example.com:8443'],
    ['another case of the host', 'https://App.Example.com', 'APP.example.COM'],
    ['another case of the scheme', 'HTTPS://app.example.com', 'app.example.com'],
    ['a trailing dot in Host', 'https://app.example.com', 'app.example.com.'],
    ['a trailing dot in Origin', 'https://app.example.com.:443', 'app.example.com'],
    ['IPv6', 'http://[::1]:3000', '[0:0:0:0:0:0:0:1]:3000'],
  ])('with %s', (_what, origin, host) => expect(isOwnPage({ origin, host })).toBe(true));

  it.each([
    ['another host', 'https://evil.example', 'app.example.com'],
    ['a longer host', 'https://app.example.com.evil.example', 'app.example.com'],
    ['a subdomain', 'https://x.app.example.com', 'app.example.com'],
    ['another port', 'https://app.example.com:8443', 'app.example.com'],
    ["the other scheme's port", 'http://app.example.com', 'app.example.com:443'],
    ['an opaque origin', 'null', 'app.example.com'],
    ['a user name', 'https://app.example.com@evil.example', 'app.example.com'],
    ['a path', 'https://app.example.com/', 'app.example.com'],
    ['a path in Host', 'https://evil.example', 'evil.example/app.example.com'],
    ['another scheme', 'ftp://app.example.com', 'app.example.com'],
    ['an empty host', 'https://.', '.'],
  ])('not with %s', (_what, origin, host) => expect(isOwnPage({ origin, host })).toBe(false));

  it('not without Origin or without Host', () => {
    expect(isOwnPage({ host: 'app.example.com' })).toBe(false);
    expect(isOwnPage({ origin: 'https://app.example.com' })).toBe(false);
  });

  it('by Sec-Fetch-Site, whatever Origin says', () => {
    const own = { origin: 'https://app.example.com', host: 'app.example.com' };
    const sites = ['same-origin', 'none', 'same-site', 'cross-site', ''];
    expect(sites.map((site) => isOwnPage({ ...own, 'sec-fetch-site': site }))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(isOwnPage({ host: 'app.example.com', 'sec-fetch-site': 'same-origin' })).toBe(true);
  });

  it('by the configured origins alone, where there are any', () => {
    const configured = createOwnPageCheck(['https://App.example.com:443', 'http://localhost:3000']);
    const host = 'gateway.internal:8080';
    expect(configured({ origin: 'https://app.example.com', host })).toBe(true);
    expect(configured({ origin: 'http://LOCALHOST:3000', host })).toBe(true);
    expect(configured({ origin: 'http://app.example.com', host })).toBe(false);
    expect(configured({ origin: `http://${host}`, host })).toBe(false);
    expect(configured({ origin: 'https://app.example.com:8443', host })).toBe(false);
  });

  it.each(['app.example.com', 'https://app.example.com/app', 'null', ''])(
    'refuses %j as a configured origin',
    (text) => expect(() => createOwnPageCheck([text])).toThrow('not an origin'),
  );

  it('never for two different hosts, however they are written', () => {
    const label = fc.stringMatching(/^[a-z]{1,8}$/);
    const written = (host: string, [upper, dot, port]: [boolean, boolean, boolean]) =>
      `${upper ? host.toUpperCase() : host}${dot ? '.' : ''}${port ? ':443' : ''}`;
    const style = fc.tuple(fc.boolean(), fc.boolean(), fc.boolean());
    fc.assert(
      fc.property(label, label, style, style, (one, other, first, second) => {
        const origin = `https://${written(`${one}.example`, first)}`;
        const host = written(`${other}.example`, second);
        expect(isOwnPage({ origin, host })).toBe(one === other);
      }),
    );
  });
});
