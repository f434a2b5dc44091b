/**
 * Limits of guesses: every route that hashes takes those of the account; strangers lock no known device out; the line for
 * hashing is fair; a 503 costs nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import type { Design } from '../../design.ts';
import { findDesign } from '../../lineage.ts';
import { SEED_PASSWORD, seedEmail } from '../../sessions/seed.ts';
import { openConnection } from '../clients.ts';
import { bearer, client, type Reply, type Send } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  schemaUrl,
  smallSize,
  startPlatform,
  withCheapPasswords,
} from '../fixtures/platform.ts';

const { postgres, redis } = sharedStores('password-limits');
const schema = 'password_limits';
const before = findDesign('turn5.before');

/** The keys of the audit log outlive a platform, as its rows do. */
const stateDirectory = mkdtempSync(path.join(tmpdir(), 'password-limits-'));
beforeAll(() => prepareSchema(postgres.url, { schema, design: before, size: smallSize }));
afterAll(() => rmSync(stateDirectory, { recursive: true, force: true }));

const start = (design: Design) =>
  startPlatform({
    databaseUrl: postgres.url,
    schema,
    redisUrl: redis.url,
    design,
    stateDirectory,
  });

let addresses = 0;
const newAddress = () => {
  addresses += 1;
  return `198.18.${addresses >> 8}.${addresses & 255}`;
};
let users = 3;
const nextUser = () => {
  users += 1;
  return users;
};
const WRONG = 'not the password';
const statusesOf = (replies: readonly Reply[]) => replies.map(({ status }) => status);
const refusedBy = ({ body }: Reply) => body['violated-policies'];
const times = async (count: number, work: (i: number) => Promise<Reply>) => {
  const replies: Reply[] = [];
  for (let i = 0; i < count; i += 1) replies.push(await work(i));
  return replies;
};
const deviceIn = (reply: Reply) =>
  reply.headers.getSetCookie().find((cookie) => cookie.startsWith('__Host-device='));
const cookieOf = (reply: Reply) => ({ cookie: deviceIn(reply)!.split(';', 1)[0]! });

describe('guesses', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await start(withCheapPasswords(before));
  });
  afterAll(() => platform?.stop());

  const login = (id: number, password: string, address: string, headers = {}) =>
    client(platform.url, { 'x-forwarded-for': address, ...headers })('POST', '/login', {
      body: { email: seedEmail(id), password },
    });
  const sessionOf = async (id: number, address = newAddress()): Promise<Send> =>
    client(platform.url, {
      ...bearer((await platform.login(String(id))).token),
      'x-forwarded-for': address,
    });
  const change = (send: Send, currentPassword: string) =>
    send('POST', '/password', { body: { currentPassword, newPassword: SEED_PASSWORD } });

  it('of a password by its sessions are five a minute, over all of them and all addresses', async () => {
    const id = nextUser();
    const replies = await times(7, async () => change(await sessionOf(id), WRONG));
    expect(statusesOf(replies)).toEqual([403, 403, 403, 403, 403, 429, 429]);
    expect(refusedBy(replies[6]!)).toEqual(['login-device']);
    // The thief of a session cannot lock the owner out of a login, nor others out of their accounts.
    expect((await login(id, SEED_PASSWORD, newAddress())).status).toBe(200);
    expect((await change(await sessionOf(nextUser()), SEED_PASSWORD)).status).toBe(200);
  });

  it('of a password are counted together, whichever route asks for it', async () => {
    const id = nextUser();
    const erase = (send: Send) =>
      send('DELETE', '/me/personal-data', { body: { password: WRONG } });
    const replies = await times(7, async (i) => {
      const send = await sessionOf(id);
      return i % 2 === 0 ? erase(send) : change(send, WRONG);
    });
    expect(statusesOf(replies)).toEqual([403, 403, 403, 403, 403, 429, 429]);
  });

  it('cost nothing when the password is right', async () => {
    const id = nextUser();
    const replies = await times(7, async () => change(await sessionOf(id), SEED_PASSWORD));
    expect(new Set(statusesOf(replies))).toEqual(new Set([200]));
  });

  it('of an account are 30 a minute over all addresses, and lock no known device out', async () => {
    const id = nextUser();
    const device = cookieOf(await login(id, SEED_PASSWORD, newAddress()));
    const other = cookieOf(await login(id, SEED_PASSWORD, newAddress()));
    const guesses: Reply[] = [];
    for (let address = 0; address < 8; address += 1) {
      const from = newAddress();
      guesses.push(...(await times(5, () => login(id, WRONG, from))));
    }
    expect(statusesOf(guesses).filter((status) => status === 401)).toHaveLength(30);
    expect(refusedBy(guesses.at(-1)!)).toEqual(['login-account']);
    // A stranger with the right password is refused too; the owner's devices are not, wherever they are.
    expect((await login(id, SEED_PASSWORD, newAddress())).status).toBe(429);
    expect((await login(id, SEED_PASSWORD, newAddress(), device)).status).toBe(200);
    expect((await change(await sessionOf(id), SEED_PASSWORD)).status).toBe(200);

    // A device has five guesses of its own, from any addresses; another device has others.
    const own = await times(7, () => login(id, WRONG, newAddress(), device));
    expect(statusesOf(own)).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect(refusedBy(own[6]!)).toEqual(['login-device']);
    expect((await login(id, SEED_PASSWORD, newAddress(), other)).status).toBe(200);
  });

  it('from an address that has used up its own lock no known device there out', async () => {
    const id = nextUser();
    const office = newAddress();
    const device = cookieOf(await login(id, SEED_PASSWORD, office));
    const flood = await times(12, () => login(nextUser(), WRONG, office));
    expect(flood.at(-1)!.status).toBe(429);
    expect((await login(id, SEED_PASSWORD, office)).status).toBe(429);
    const known = await login(id, SEED_PASSWORD, office, device);
    expect(known.status).toBe(200);
    // The same device, for another half a year.
    expect(cookieOf(known).cookie.split('.')[2]).toBe(device.cookie.split('.')[2]);
  });

  it('need a cookie of this account that we signed: every other one is that of a stranger', async () => {
    const [id, thief] = [nextUser(), nextUser()];
    const device = cookieOf(await login(id, SEED_PASSWORD, newAddress()));
    const ofThief = cookieOf(await login(thief, SEED_PASSWORD, newAddress()));
    const from = newAddress();
    const forged = device.cookie.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'));
    const cookies = [
      ofThief.cookie,
      forged,
      '__Host-device=x',
      `${device.cookie}; ${device.cookie}`,
    ];
    const replies = await times(8, (i) =>
      login(id, WRONG, from, { cookie: cookies[i % cookies.length]! }),
    );
    expect(statusesOf(replies)).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    expect(refusedBy(replies[7]!)).toEqual(['login-pair']);
  });

  it('are answered with a cookie that scripts and other sites cannot use, beside that of the session', async () => {
    const reply = await login(nextUser(), SEED_PASSWORD, newAddress());
    expect(reply.headers.getSetCookie()).toHaveLength(2);
    expect(deviceIn(reply)).toMatch(
      /^__Host-device=d1\.[\w-]{22}\.[\w-]{22}\.\d+\.[\w-]{43}; Max-Age=15552000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(deviceIn(await login(nextUser(), WRONG, newAddress()))).toBeUndefined();
  });

  it('are counted for a registration as well', async () => {
    const register = (address: string, password = 'a long password') =>
      client(platform.url, { 'x-forwarded-for': address })('POST', '/register', {
        body: { email: seedEmail(3), password },
      });
    const from = newAddress();
    const replies = await times(7, () => register(from));
    expect(statusesOf(replies).slice(5)).toEqual([429, 429]);
    expect(refusedBy(replies[6]!)).toEqual(['login-pair']);
  });
});

describe('the line for hashing', () => {
  it('lets people log in while others flood it, and refunds what it could not serve', async () => {
    const design = withCheapPasswords(before);
    const { password } = design.sessions;
    // A hash takes some 20 ms, and eight may wait.
    const busy = { ...password, cost: 2 ** 14, maxConcurrent: 1, maxWaiting: 8 };
    const platform = await start({ ...design, sessions: { ...design.sessions, password: busy } });
    try {
      const attempt = (address: string, email: string, value: string) =>
        client(platform.url, { 'x-forwarded-for': address })('POST', '/login', {
          body: { email, password: value },
        });
      const bot = newAddress();
      // An unknown account costs a whole hash.
      const flood = Array.from({ length: 40 }, (_, i) => attempt(bot, `bot${i}@x.test`, WRONG));
      const people = Array.from({ length: 6 }, () =>
        attempt(newAddress(), seedEmail(nextUser()), SEED_PASSWORD),
      );
      expect(statusesOf(await Promise.all(people))).toEqual([200, 200, 200, 200, 200, 200]);
      const answers = statusesOf(await Promise.all(flood));
      const busyCount = answers.filter((status) => status === 503).length;
      expect(busyCount).toBeGreaterThan(0);
      // Ten guesses of an address a minute: a 503 was none, so what is left of the ten is still there.
      const guessed = answers.filter((status) => status === 401).length;
      expect(guessed).toBeLessThanOrEqual(10);
      const rest = await times(12 - guessed, (i) => attempt(bot, `rest${i}@x.test`, WRONG));
      expect(statusesOf(rest).filter((status) => status === 401)).toHaveLength(10 - guessed);
    } finally {
      await platform.stop();
    }
  });
});

describe('a request that is answered 503', () => {
  it('has cost a guess all the same where one was made, whichever route asked for the password', async () => {
    const platform = await start(withCheapPasswords(before));
    const refusing = await openConnection(schemaUrl(postgres.url, schema));
    const guesses: readonly ((id: number, send: Send) => Promise<Reply>)[] = [
      (id, send) => send('POST', '/login', { body: { email: seedEmail(id), password: WRONG } }),
      (_, send) =>
        send('POST', '/password', {
          body: { currentPassword: WRONG, newPassword: 'another password' },
        }),
      (_, send) => send('DELETE', '/me/personal-data', { body: { password: WRONG } }),
    ];
    try {
      for (const guess of guesses) {
        const id = nextUser();
        const { token } = await platform.login(String(id));
        const send = client(platform.url, { ...bearer(token), 'x-forwarded-for': newAddress() });
        // The audit log takes nothing, so a refusal cannot be put on record.
        await refusing.query({
          text: 'ALTER TABLE audit_logs ADD CONSTRAINT nothing CHECK (id < 0) NOT VALID',
        });
        const unrecorded = await times(3, () => guess(id, send));
        await refusing.query({ text: 'ALTER TABLE audit_logs DROP CONSTRAINT nothing' });
        expect(statusesOf(unrecorded)).toEqual([503, 503, 503]);
        const rest = await times(4, () => guess(id, send));
        expect(statusesOf(rest).slice(2)).toEqual([429, 429]);
      }
    } finally {
      await refusing.close();
      await platform.stop();
    }
  });

  it('gets its units back at every level', async () => {
    const design = withCheapPasswords(before);
    const database = { ...design.database, statementTimeoutMs: 300 };
    const platform = await start({ ...design, database });
    const locked = await openConnection(schemaUrl(postgres.url, schema));
    try {
      const token = (await platform.login(String(nextUser()))).token;
      const send = client(platform.url, { ...bearer(token), 'x-forwarded-for': newAddress() });
      const left = async () => {
        const { headers } = await send('GET', '/session');
        return [...headers.get('ratelimit')!.matchAll(/r=(\d+)/g)].map(([, r]) => Number(r));
      };
      const atFirst = await left();
      await locked.query({ text: 'BEGIN' });
      await locked.query({ text: 'LOCK TABLE projects' });
      const replies = await times(2, () => send('GET', '/projects'));
      expect(statusesOf(replies)).toEqual([503, 503]);
      await locked.query({ text: 'ROLLBACK' });
      expect(await left()).toEqual(atFirst.map((units) => units - 1));
    } finally {
      await locked.close();
      await platform.stop();
    }
  });
});
