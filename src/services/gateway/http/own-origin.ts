/**
 * Whether a request that carries a cookie comes from one of our own pages, against CSRF. A browser says it in
 * Sec-Fetch-Site; an older one only in Origin, which is compared with the configured public origins, or else with Host.
 * Pure.
 */
import type { IncomingHttpHeaders } from 'node:http';

export type IsOwnPage = (headers: IncomingHttpHeaders) => boolean;

/** `publicOrigins`: `https://app.example.com`; empty: whatever Host says, by either scheme. */
export function createOwnPageCheck(publicOrigins: readonly string[] = []): IsOwnPage {
  const own = new Set(
    publicOrigins.map((text) => {
      const origin = originOf(text);
      if (origin === null) throw new Error(`not an origin such as https://example.com: '${text}'`);
      return origin;
    }),
  );
  return (headers) => {
    // `none`: typed by the user (address bar); `same-origin`: sent by one of our pages.
    const site = headers['sec-fetch-site'];
    if (site !== undefined) return site === 'same-origin' || site === 'none';
    const origin = headers.origin === undefined ? null : originOf(headers.origin);
    if (origin === null) return false;
    if (own.size > 0) return own.has(origin);
    // A balancer may have ended TLS, so the scheme is the page's.
    const scheme = origin.slice(0, origin.indexOf(':'));
    return headers.host !== undefined && originOf(`${scheme}://${headers.host}`) === origin;
  };
}

/** Scheme, host and port and nothing else, as a browser serialises an origin. */
const ORIGIN = /^https?:\/\/[^\s/?#@\\]+$/i;

/** In lower case, without the scheme's default port and without the dot that ends a full domain name. */
function originOf(text: string): string | null {
  if (!ORIGIN.test(text) || !URL.canParse(text)) return null;
  const { protocol, hostname, port } = new URL(text);
  const host = hostname.replace(/\.$/, '');
  return host === '' ? null : `${protocol}//${host}${port === '' ? '' : `:${port}`}`;
}
