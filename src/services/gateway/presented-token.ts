/**
 * The session token in a request: a bearer token, else the cookie. More than one cookie of our name is none, because
 * nobody can say which of them the browser was given by us. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http';

export const cookieName = '__Host-session';

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
  const ours = (cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${cookieName}=`));
  const token = ours.length === 1 ? ours[0]!.slice(cookieName.length + 1) : '';
  return { token, fromCookie: token !== '' };
}

/** Browsers say where a request was made: `none` is the person (address bar), `same-origin` one of our pages. */
export function isOwnPage(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const { origin, host } = headers;
  if (origin === undefined || host === undefined) return false;
  return URL.canParse(origin) && new URL(origin).host === host;
}
