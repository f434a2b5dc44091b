/**
 * Known devices (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"): a login that succeeds leaves a signed
 * cookie, and a device that presents it at a later login of that account has a budget of guesses of its own. The cookie
 * opens nothing. It names its account by a keyed hash, and lasts half a year from the last login.
 */
import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock, Random } from '../../ports.ts';
import { hashesEqual } from '../../secret-token.ts';
import { cookiesNamed } from './presented-token.ts';

export const DEVICE_COOKIE = '__Host-device';
export const DEVICE_KEY_BYTES = 32;

const DAY_US = 86_400e6;
const LIFETIME_DAYS = 180;
export const DEVICE_LIFETIME_SECONDS = LIFETIME_DAYS * 86_400;

export interface Device {
  readonly id: string;
  isOf(email: string): boolean;
}

export interface DeviceCookies {
  /** Null without a cookie that was signed here and has not expired. */
  read(headers: IncomingHttpHeaders): Device | null;
  /** The cookie's value, of the device that has it already, or of a new one. */
  issue(email: string, known: Device | null): string;
}

const shape = /^d1\.([\w-]{22})\.([\w-]{22})\.(\d{1,6})\.([\w-]{43})$/;

export function createDeviceCookies({
  key,
  clock,
  random,
}: {
  key: Buffer;
  clock: Clock;
  random: Random;
}): DeviceCookies {
  const mac = (purpose: string, text: string) =>
    createHmac('sha256', key).update(`${purpose}\0${text}`).digest();
  const accountOf = (email: string) =>
    mac('account', email.trim().toLowerCase()).subarray(0, 16).toString('base64url');
  const today = () => Math.floor(clock.nowUs() / DAY_US);
  const isCurrent = (day: number) => day <= today() && today() - day < LIFETIME_DAYS;

  return {
    read(headers) {
      const values = cookiesNamed(headers, DEVICE_COOKIE);
      const match = values.length === 1 ? shape.exec(values[0]!) : null;
      if (!match) return null;
      const [, account, id, day, signature] = match;
      const expected = mac('device', `${account}.${id}.${day}`);
      if (!hashesEqual(expected, Buffer.from(signature!, 'base64url'))) return null;
      if (!isCurrent(Number(day))) return null;
      return { id: id!, isOf: (email) => accountOf(email) === account };
    },
    issue(email, known) {
      const id = known?.isOf(email) ? known.id : random.bytes(16).toString('base64url');
      const text = `${accountOf(email)}.${id}.${today()}`;
      return `d1.${text}.${mac('device', text).toString('base64url')}`;
    },
  };
}
