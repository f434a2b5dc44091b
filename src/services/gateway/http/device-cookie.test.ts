import { expect, it } from 'vitest';
import { systemRandom } from '../system.ts';
import { createDeviceCookies, DEVICE_COOKIE } from './device-cookie.ts';

const DAY_US = 86_400e6;
const key = Buffer.alloc(32, 1);

function planted() {
  const state = { nowUs: 20_000 * DAY_US };
  const clock = { nowUs: () => state.nowUs };
  const devices = createDeviceCookies({ key, clock, random: systemRandom });
  const other = createDeviceCookies({ key: Buffer.alloc(32, 2), clock, random: systemRandom });
  const headersOf = (value: string) => ({ cookie: `a=b; ${DEVICE_COOKIE}=${value}` });
  return { state, devices, other, headersOf };
}

it('a device is known for the account it has logged in to, however the address is written', () => {
  const { devices, headersOf } = planted();
  const device = devices.read(headersOf(devices.issue('Ann@example.test ', null)))!;
  expect([device.isOf('ann@EXAMPLE.test'), device.isOf('bob@example.test')]).toEqual([true, false]);
});

it('a cookie says nothing of the account to whoever lacks the key', () => {
  const { devices } = planted();
  expect(devices.issue('ann@example.test', null)).not.toContain('ann');
});

it('keeps its id for the same account, and gets a new one for another', () => {
  const { devices, headersOf } = planted();
  const known = devices.read(headersOf(devices.issue('ann@example.test', null)));
  const idOf = (email: string) => devices.read(headersOf(devices.issue(email, known)))!.id;
  expect(idOf('ann@example.test')).toBe(known!.id);
  expect(idOf('bob@example.test')).not.toBe(known!.id);
});

it('is not known with any character changed, with another key, twice, or after half a year', () => {
  const { state, devices, other, headersOf } = planted();
  const value = devices.issue('ann@example.test', null);
  for (let i = 0; i < value.length; i += 1) {
    const changed = value.slice(0, i) + (value[i] === 'A' ? 'B' : 'A') + value.slice(i + 1);
    // The last character of a hash has two bits that mean nothing.
    if (i < value.length - 1) expect(devices.read(headersOf(changed)), changed).toBeNull();
  }
  expect(other.read(headersOf(value))).toBeNull();
  expect(
    devices.read({ cookie: `${DEVICE_COOKIE}=${value}; ${DEVICE_COOKIE}=${value}` }),
  ).toBeNull();
  expect(devices.read({})).toBeNull();
  state.nowUs += 179 * DAY_US;
  expect(devices.read(headersOf(value))).not.toBeNull();
  state.nowUs += DAY_US;
  expect(devices.read(headersOf(value))).toBeNull();
});
