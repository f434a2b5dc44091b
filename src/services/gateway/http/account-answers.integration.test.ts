/**
 * What /login and /register answer does not tell whether an address has an account: the same statuses, bodies, header
 * fields, hashes and events for known, unknown and disabled ones, also while the hashing line is full.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import type { Design } from '../../design.ts';
import { findDesign } from '../../lineage.ts';
import { SEED_PASSWORD, seedEmail } from '../../sessions/seed.ts';
import { client, type Reply } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  startPlatform,
  usersWithoutHistory,
  withCheapPasswords,
} from '../fixtures/platform.ts';
import type { Services } from '../services.ts';

const { postgres, redis } = sharedStores('account-answers');
const schema = 'account_answers';
const ROUNDS = 40;
const DISABLED = 7;

/** A short hashing line; limits that do not interfere. */
function narrow(given: Design): Design {
  const { rateLimit, sessions } = given;
  if (rateLimit.kind !== 'exact') throw new Error('the design has no exact limits');
  const many = { login: 10_000, loginPair: 10_000, loginAccount: 10_000, register: 10_000 };
  const line = { cost: 2 ** 13, maxConcurrent: 1, maxWaiting: 2, maxWaitMs: 10_000 };
  return {
    ...given,
    sessions: { ...sessions, password: { ...sessions.password, ...line } },
    rateLimit: { ...rateLimit, anonymous: { ...rateLimit.anonymous, ...many } },
  };
}

const design = narrow(withCheapPasswords(findDesign('turn4.after')));
/** Hashes that were done. */
let hashes = 0;
let platform: Platform;

const countHashes = (sound: Services): Services => ({
  ...sound,
  passwords: {
    ...sound.passwords,
    async hash(password) {
      const hash = await sound.passwords.hash(password);
      hashes += 1;
      return hash;
    },
    async verify(password, hash) {
      const isValid = await sound.passwords.verify(password, hash);
      hashes += 1;
      return isValid;
    },
  },
});

beforeAll(async () => {
  const size = usersWithoutHistory(10);
  await prepareSchema(postgres.url, { schema, design, size });
  const given = { databaseUrl: postgres.url, redisUrl: redis.url, schema, design };
  platform = await startPlatform({ ...given, plant: countHashes });
  await platform.db.query({
    text: 'UPDATE users SET disabled_at = now() WHERE id = $1',
    values: [DISABLED],
  });
});
afterAll(() => platform?.stop());

const shown = ({ status, headers, body: { requestId: _, ...body } }: Reply) =>
  JSON.stringify([status, [...headers.keys()].sort(), body]);

/** Sends a request of each kind at a time, in each order, and returns what each kind was answered. */
async function answersOf<Kind extends string>(
  path: string,
  bodies: Readonly<Record<Kind, (round: number) => object>>,
  prefix: string,
) {
  const kinds = Object.keys(bodies) as Kind[];
  const send = client(platform.url);
  const replies = new Map<Kind, Reply[]>(kinds.map((kind) => [kind, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    const turned = kinds.map((_, at) => kinds[(at + round) % kinds.length]!);
    // Twice: more than the hashing line takes.
    const sent = [...turned, ...turned].map(async (kind, at) => {
      const headers = { 'x-request-id': `${prefix}-${kind}-${round}-${at}` };
      const reply = await send('POST', path, { body: bodies[kind](round * 10 + at), headers });
      replies.get(kind)!.push(reply);
    });
    await Promise.all(sent);
  }
  return replies;
}

const countOf = (replies: readonly Reply[], status: number) =>
  replies.filter((reply) => reply.status === status).length;

/** Every kind is answered alike, is refused for lack of room about as often, and was hashed as often as it says. */
function expectAlike(all: ReadonlyMap<string, Reply[]>, answered: number, hashed: number): void {
  const kinds = [...all.values()];
  const variants = kinds.map((replies) => [...new Set(replies.map(shown))].sort());
  for (const one of variants) expect(one).toEqual(variants[0]);
  expect(variants[0]).toHaveLength(2);
  const busy = kinds.map((replies) => countOf(replies, 503) / replies.length);
  // Wide: which of six gets a place is chance. A kind that never waits, or always, would differ by more than half.
  expect(Math.max(...busy) - Math.min(...busy)).toBeLessThan(0.4);
  expect(Math.min(...busy)).toBeGreaterThan(0);
  const done = kinds.reduce((sum, replies) => sum + countOf(replies, answered), 0);
  expect(hashed).toBe(done);
}

const eventsOf = (prefix: string) =>
  platform.db.query<Record<string, string>>({
    text: `SELECT client_request_id AS cause, organisation_id, user_id, action, outcome, reason FROM audit_logs
            WHERE starts_with(client_request_id, $1) AND resource_type <> 'denials'`,
    values: [prefix],
  });

describe('a login', () => {
  it('is answered alike for known, unknown and disabled users while the hashing line is full', async () => {
    const password = 'a wrong password';
    const before = hashes;
    const replies = await answersOf(
      '/login',
      {
        known: () => ({ email: seedEmail(3), password }),
        unknown: (n) => ({ email: `no-${n}@example.test`, password }),
        // With the right one.
        disabled: () => ({ email: seedEmail(DISABLED), password: SEED_PASSWORD }),
      },
      'login',
    );
    expectAlike(replies, 401, hashes - before);
    const events = await eventsOf('login-');
    // One for each, whatever was answered: the answer waited for it.
    expect(events).toHaveLength(ROUNDS * 6);
    const tenants = { known: '3/3', unknown: '0/0', disabled: `${DISABLED}/${DISABLED}` };
    for (const { cause, organisation_id, user_id } of events)
      expect(`${organisation_id}/${user_id}`).toBe(
        tenants[cause!.split('-')[1] as keyof typeof tenants],
      );
  });
});

describe('a registration', () => {
  it('is answered alike for a free and a taken address, and the owner finds it in the log', async () => {
    const before = hashes;
    const replies = await answersOf(
      '/register',
      {
        taken: () => ({ email: seedEmail(4), password: 'a password of a stranger' }),
        free: (n) => ({ email: `new-${n}@example.test`, password: 'a password of a newcomer' }),
      },
      'register',
    );
    expectAlike(replies, 202, hashes - before);
    const events = await eventsOf('register-');
    expect(events).toHaveLength(ROUNDS * 4);
    const toldOwner = events.filter(({ user_id }) => user_id === '4');
    expect(toldOwner).toHaveLength(countOf(replies.get('taken')!, 202));
    expect(toldOwner[0]).toMatchObject({
      organisation_id: '4',
      action: 'user.register',
      outcome: 'denied',
      reason: 'address-taken',
    });
    // Nothing changed for the owner.
    const login = { body: { email: seedEmail(4), password: SEED_PASSWORD } };
    expect((await client(platform.url)('POST', '/login', login)).status).toBe(200);
    const wrong = { body: { ...login.body, password: 'a password of a stranger' } };
    expect((await client(platform.url)('POST', '/login', wrong)).status).toBe(401);
  });
});
