/** What somebody gains who can write to Redis, and knows everything that is in it: no session, and no more of one. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { ReadThroughDesign } from '../design.ts';
import { findDesign } from '../lineage.ts';
import { createRedisLink, type RedisLink } from '../redis-link.ts';
import { createSessionCache, MAX_AGE_MS, type SessionCache } from '../sessions/cache.ts';
import { createCopyCodec } from '../sessions/copy-codec.ts';
import { encodeSession, type StoredSession } from '../sessions/policy.ts';
import { makeToken } from '../sessions/token.ts';
import { type Member, origin, startMember } from './fixtures/members.ts';
import { prepareSchema, schemaUrl, usersWithoutHistory } from './fixtures/platform.ts';
import { systemRandom } from './system.ts';

const { postgres, redis } = ownStores('redis-writer');
const schema = 'redis_writer';
const design = findDesign('turn1.after');
let members: Member[] = [];

const start = (name: string) =>
  startMember({
    name,
    databaseUrl: schemaUrl(postgres.url, schema),
    redisUrl: redis.url,
    keyPrefix: 'w:',
    design,
    store: design.sessions.store as ReadThroughDesign,
  });
const usesRedis = (member: Member) =>
  vi.waitFor(() => expect(member.seen.open).toBe(false), 10_000);

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema, design, size: usersWithoutHistory(5) });
  members = [await start('gateway.1'), await start('gateway.2')];
  await Promise.all(members.map(usesRedis));
});
afterAll(() => Promise.all(members.map((member) => member.close())));

const copyOf = async (id: string) => {
  const [key] = await members[0]!.redis.keys(`w:s:*:${id}`);
  return { key: key!, text: (await members[0]!.redis.get(key!))! };
};
const forgedBy = () => members.reduce((sum, { seen }) => sum + seen.forged, 0);

describe('a copy of a session', () => {
  it('that was made up is refused, and counted', async () => {
    const [first] = members as [Member];
    const real = await first.login('1');
    await first.store.check(real.token);
    const { key, text } = await copyOf(real.session.id);
    const before = forgedBy();
    const { token, id, secretHash } = makeToken(design.sessions.region, systemRandom);
    const made = encodeSession({
      ...{ id, userId: '2', organisationId: '2', secretHash },
      ...{ createdAtMs: Date.now(), endsAtMs: Date.now() + 3_600_000 },
    });
    const [issued, mac] = text.split('.').slice(-2);
    const place = key.replace(real.session.id, id);
    for (const value of [
      made,
      `${made}.${issued}.${mac}`,
      `${made}.${Date.now()}.${'A'.repeat(43)}`,
    ]) {
      await first.redis.set(place, value, 'PX', 60_000);
      for (const member of members) expect(await member.store.check(token)).toBeNull();
    }
    expect(forgedBy()).toBe(before + 6);
  });

  it('that was altered is refused, and replaced by the row', async () => {
    const [first, second] = members as [Member, Member];
    const real = await first.login('2');
    await first.store.check(real.token);
    const { key, text } = await copyOf(real.session.id);
    const parts = text.split('.');
    for (const [index, value] of [
      [1, '3'],
      [2, '3'],
      [4, String(Number(parts[4]) + 86_400_000)],
      [6, String(Date.now() + 86_400_000)],
    ] as const) {
      await first.redis.set(key, parts.with(index, value).join('.'), 'KEEPTTL');
      for (const member of [first, second]) {
        const session = await member.store.check(real.token);
        expect(session).toEqual(real.session);
        expect(await first.redis.get(key)).not.toBe(parts.with(index, value).join('.'));
      }
    }
  });

  it('of an earlier generation or of another session is refused', async () => {
    const [first] = members as [Member];
    const [one, other] = [await first.login('3'), await first.login('3')];
    for (const { token } of [one, other]) await first.store.check(token);
    const copies = [await copyOf(one.session.id), await copyOf(other.session.id)];
    const before = forgedBy();
    await first.redis.set(copies[1]!.key, copies[0]!.text, 'KEEPTTL');
    expect(await members[1]!.store.check(other.token)).toEqual(other.session);
    // A logout that Redis does not confirm advances the generation; the old text at the new place is not valid.
    const generation = first.fence.currentGeneration()!;
    await first.fence.advanceGeneration();
    const moved = copies[0]!.key.replace(`s:${generation}:`, `s:${generation + 1}:`);
    await first.store.end(one.token, origin);
    await first.redis.set(moved, copies[0]!.text, 'PX', 60_000);
    for (const member of members) expect(await member.store.check(one.token)).toBeNull();
    expect(forgedBy()).toBeGreaterThan(before);
  });
});

describe('an old copy that is put back in place of a tombstone', () => {
  let cache: SessionCache;
  let link: RedisLink;
  let nowMs = 0;
  const session: StoredSession = {
    id: 'R'.repeat(22),
    userId: '4',
    organisationId: '4',
    createdAtMs: 0,
    endsAtMs: 1e13,
    secretHash: Buffer.alloc(32, 3),
  };
  const place = () => `r:s:1:${link.runId()}:${session.id}`;
  const populate = async () =>
    cache.populate(await cache.beginPopulate(), 1, { session, ttlMs: 60_000 });

  beforeEach(async () => {
    const { redis: connection } = members[0]!;
    nowMs = Date.now();
    link = createRedisLink({ redis: connection, breakerOpenMs: 50, onBreaker: () => {} });
    await vi.waitFor(() => expect(link.runId()).not.toBeNull(), 10_000);
    await connection.del(place());
    const codec = createCopyCodec({ key: Buffer.alloc(32, 5), nowMs: () => nowMs });
    cache = createSessionCache({
      link,
      codec,
      keyPrefix: 'r:',
      random: systemRandom,
      nowMs: () => nowMs,
      onForgedCopy: () => {
        throw new Error('it is not forged');
      },
    });
    return () => link.close();
  });

  it('is accepted for at most five minutes after it was issued', async () => {
    const { redis: connection } = members[0]!;
    expect(await populate()).toBe(true);
    const kept = (await connection.get(place()))!;
    await cache.writeTombstones({ from: 1, to: 1 }, [session.id]);
    expect(await cache.read(1, session.id)).toBe('ended');
    await connection.set(place(), kept, 'PX', 3_600_000);
    nowMs += MAX_AGE_MS - 1;
    expect(await cache.read(1, session.id)).toEqual(session);
    nowMs += 1;
    expect(MAX_AGE_MS).toBe(300_000);
    expect(cache.findCached(1, session.id)).toBeNull();
    expect(await cache.read(1, session.id)).toBe('absent');
    // For the grace, while PostgreSQL does not answer.
    expect(cache.findStale(1, session.id)).toEqual(session);
    // The row is read, which has ended: the tombstone is back.
    await cache.populate(await cache.beginPopulate(), 1, { endedId: session.id });
    expect(await cache.read(1, session.id)).toBe('ended');
    expect(cache.findStale(1, session.id)).toBeNull();
  });

  it('is not written again by a check that began before the end', async () => {
    await populate();
    nowMs += MAX_AGE_MS;
    expect(await cache.read(1, session.id)).toBe('absent');
    await cache.writeTombstones({ from: 1, to: 1 }, [session.id]);
    expect(await populate()).toBe(false);
    expect(await cache.read(1, session.id)).toBe('ended');
  });

  it('gives way to a new copy while the session lives', async () => {
    await populate();
    nowMs += MAX_AGE_MS;
    expect(await cache.read(1, session.id)).toBe('absent');
    expect(await populate()).toBe(true);
    expect(await cache.read(1, session.id)).toEqual(session);
    expect(cache.findCached(1, session.id)).toMatchObject({ session });
  });
});
