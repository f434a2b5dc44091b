/**
 * The session token in a request: a bearer token, else the cookie. If several cookies have our name, all are ignored,
 * because the one we set cannot be recognised. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { IsOwnPage } from './own-origin.ts';

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
  const values = cookiesNamed({ cookie }, COOKIE_NAME);
  const token = values.length === 1 ? values[0]! : '';
  return { token, fromCookie: token !== '' };
}

/** On routes that need no session: a cookie that another site may have attached is ignored. */
export function sameSiteToken(headers: IncomingHttpHeaders, isOwnPage: IsOwnPage): string {
  const { token, fromCookie } = presentedToken(headers);
  return fromCookie && !isOwnPage(headers) ? '' : token;
}

/** Values of all cookies of this name. */
export const cookiesNamed = ({ cookie = '' }: IncomingHttpHeaders, name: string): string[] =>
  cookie
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
