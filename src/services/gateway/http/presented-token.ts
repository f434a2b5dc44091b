/**
 * The session token in a request: a bearer token, else the cookie. If several cookies have our name, all are ignored,
 * because the one we set cannot be recognised. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http';

export const COOKIE_NAME = '__Host-session';

export interface PresentedToken {
  /** Empty when there is none. */
  readonly token: string;
  readonly fromCookie: boolean;
}

export function presentedToken({ authorization, cookie }: IncomingHttpHeaders): PresentedToken {
  if (authorization !== undefined) {
    const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';
    return { token, fromCookie: false };
  }
  const sessionCookies = (cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${COOKIE_NAME}=`));
  const token = sessionCookies.length === 1 ? sessionCookies[0]!.slice(COOKIE_NAME.length + 1) : '';
  return { token, fromCookie: token !== '' };
}

/** Sec-Fetch-Site `none`: typed by the user (address bar); `same-origin`: sent by one of our pages. */
export function isSameOrigin(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const { origin, host } = headers;
  if (origin === undefined || host === undefined) return false;
  return URL.canParse(origin) && new URL(origin).host === host;
}
