/**
 * Copies of sessions in Redis: `<prefix>s:<generation>:<run id>:<session id>`.
 *
 * A live copy is written by one script only, and only if nothing is there (a tombstone wins), the marker is the one
 * seen before PostgreSQL was read (so Redis was not emptied in between), and less than `populateLimitMs` have gone
 * by on Redis's own clock. Tombstones live far longer than that. So a copy is never written after its session ended.
 *
 * A copy that this service did not write (copy-codec.ts) is refused: the check reads the row, whose copy replaces it. So is
 * one that was issued more than `MAX_AGE_MS` ago, because whoever can write to Redis can put back an old copy in place of a
 * tombstone: it is accepted no longer than that, or while PostgreSQL does not answer, within the grace (fence.ts).
 * `read` writes nothing. `extendTtls` prolongs live copies only, never a tombstone or a pending mark.
 */

import { createBatcher } from '../batcher.ts';
import type { Random } from '../ports.ts';
import type { RedisLink } from '../redis-link.ts';
import type { CachedSession } from './contract.ts';
import type { CopyCodec, IssuedCopy } from './copy-codec.ts';
import type { StoredSession } from './policy.ts';

const POPULATE_LIMIT_MS = 5_000;
/** Each live session costs PostgreSQL one read in this time. */
export const MAX_AGE_MS = 300_000;
const TOMBSTONE_MS = 60_000;
const PENDING_MS = 10_000;
const MAX_KEYS_PER_READ = 500;
const MAX_CONCURRENT_READS = 4;
/** Decoded copies kept, by session: a copy whose text is unchanged is not decoded again. */
const MAX_DECODED = 20_000;
/** Refused copies kept, by session, until they are replaced. */
const MAX_REFUSED = 1_000;

const TOMBSTONE = 'x';
/** An end is being committed: checks must read the row. */
const PENDING_MARK = 'h';

export type CacheReadResult = StoredSession | 'ended' | 'absent';

export interface CachedCopy {
  readonly session: StoredSession;
  readonly proof: CachedSession['proof'];
}

/** The state of Redis before the row was read; `populate` writes only while it still holds. */
export interface PopulateTicket {
  readonly runId: string;
  readonly marker: string;
  readonly issuedMs: number;
}

export interface SessionCache {
  isUsable(): boolean;
  /** The copy this process decoded last, and the proof that it is still current; sends no command. */
  findCached(generation: number, id: string): CachedCopy | null;
  /** Concurrent reads share one MGET. */
  read(generation: number, id: string): Promise<CacheReadResult>;
  /** The copy that `read` refused last because of its age alone. */
  findStale(generation: number, id: string): StoredSession | null;
  beginPopulate(): Promise<PopulateTicket>;
  populate(
    ticket: PopulateTicket,
    generation: number,
    copy: { session: StoredSession; ttlMs: number } | { endedId: string },
  ): Promise<boolean>;
  /** Existing copies expire `ttlMs` from now, if that is later than they would. */
  extendTtls(generation: number, copies: readonly { id: string; ttlMs: number }[]): Promise<void>;
  /** Until the end is committed, reads of these sessions return `absent`. */
  markPending(generation: number, ids: readonly string[]): Promise<void>;
  /** Resolves when every generation given refuses the sessions. */
  writeTombstones(generations: { from: number; to: number }, ids: readonly string[]): Promise<void>;
  close(): void;
}

const beginPopulateScript = `
local marker = redis.call('GET', KEYS[1])
if not marker then
  marker = ARGV[1]
  redis.call('SET', KEYS[1], marker, 'EX', 86400)
end
local time = redis.call('TIME')
return {marker, time[1] * 1000 + math.floor(time[2] / 1000)}`;

const populateScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local age = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[2]
if age < 0 or age >= ${POPULATE_LIMIT_MS} then return 0 end
if redis.call('SET', KEYS[2], ARGV[3], 'NX', 'PX', ARGV[4]) then return 1 end
-- A copy that was refused is replaced; a tombstone or a pending mark that took its place is not.
if #ARGV < 5 or redis.call('GET', KEYS[2]) ~= ARGV[5] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return 1`;

/** A copy begins with its id and a dot; a tombstone and a pending mark do not. */
const extendScript = `
local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
if redis.call('PTTL', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

interface Decoded extends IssuedCopy {
  readonly text: string;
  /** The key it was read from, which its MAC covers. */
  readonly place: string;
  /** Made at the first `findCached`, and again when the copy's key has changed. */
  cached?: CachedCopy;
}

export function createSessionCache(given: {
  link: RedisLink;
  keyPrefix: string;
  random: Random;
  codec: CopyCodec;
  nowMs: () => number;
  /** A copy has no valid MAC: this service did not write it, or not there. */
  onForgedCopy: () => void;
}): SessionCache {
  const { link, keyPrefix, random, codec } = given;
  const key = (generation: number, runId: string, id: string) =>
    `${keyPrefix}s:${generation}:${runId}:${id}`;
  const markerKey = (runId: string) => `${keyPrefix}marker:${runId}`;
  const decodedCopies = createDecodedCopies(given);

  const readBatched = createBatcher<{ generation: number; id: string }, CacheReadResult>({
    maxBatchSize: MAX_KEYS_PER_READ,
    maxConcurrency: MAX_CONCURRENT_READS,
    sendBatch: (reads) =>
      link.run(async (redis, runId) => {
        const places = reads.map(({ generation, id }) => key(generation, runId, id));
        const texts = await redis.mget(places);
        return texts.map((text, i) => decodedCopies.parse(text, reads[i]!.id, places[i]!));
      }),
  });

  return {
    isUsable: () => link.runId() !== null,

    findCached(generation, id) {
      const runId = link.runId();
      return runId === null ? null : decodedCopies.find(id, key(generation, runId, id), runId);
    },

    read: (generation, id) => readBatched({ generation, id }),

    findStale(generation, id) {
      const runId = link.runId();
      return runId === null ? null : decodedCopies.findStale(id, key(generation, runId, id));
    },

    beginPopulate: () =>
      link.run(async (redis, runId) => {
        const fresh = random.bytes(12).toString('base64url');
        const [marker, issuedMs] = (await redis.eval(
          beginPopulateScript,
          1,
          markerKey(runId),
          fresh,
        )) as [string, number];
        return { runId, marker, issuedMs };
      }),

    populate: (ticket, generation, copy) =>
      link.run(async (redis) => {
        const isLive = 'session' in copy;
        const id = isLive ? copy.session.id : copy.endedId;
        const place = key(generation, ticket.runId, id);
        const refused = decodedCopies.takeRefused(id);
        const written = await redis.eval(
          populateScript,
          2,
          markerKey(ticket.runId),
          place,
          ticket.marker,
          ticket.issuedMs,
          isLive ? codec.encode(copy.session, place) : TOMBSTONE,
          // The absolute end may have come since the row was read; Redis rejects a TTL of 0.
          isLive ? Math.max(1, copy.ttlMs) : TOMBSTONE_MS,
          ...(refused === undefined ? [] : [refused]),
        );
        return written === 1;
      }),

    extendTtls: (generation, copies) =>
      link.run(async (redis, runId) => {
        await Promise.all(
          copies.map(({ id, ttlMs }) =>
            redis.eval(extendScript, 1, key(generation, runId, id), `${id}.`, ttlMs),
          ),
        );
      }),

    markPending: (generation, ids) =>
      link.run(async (redis, runId) => {
        const keys = ids.map((id) => key(generation, runId, id));
        await Promise.all(keys.map((one) => redis.set(one, PENDING_MARK, 'PX', PENDING_MS)));
      }),

    writeTombstones: ({ from, to }, ids) =>
      link.run(async (redis, runId) => {
        const generations = Array.from({ length: to - from + 1 }, (_, i) => from + i);
        const keys = generations.flatMap((generation) =>
          ids.map((id) => key(generation, runId, id)),
        );
        await Promise.all(keys.map((one) => redis.set(one, TOMBSTONE, 'PX', TOMBSTONE_MS)));
      }),

    close: () => link.close(),
  };
}

/** The copies this process decoded, so that an unchanged text is not decoded again, and those it refused. */
function createDecodedCopies({
  codec,
  nowMs,
  onForgedCopy,
}: {
  codec: CopyCodec;
  nowMs: () => number;
  onForgedCopy: () => void;
}) {
  const decoded = new Map<string, Decoded>();
  const refused = new Map<string, string>();
  const isFresh = ({ issuedMs }: IssuedCopy) => nowMs() - issuedMs < MAX_AGE_MS;

  const decode = (text: string, id: string, place: string): Decoded | null => {
    const before = decoded.get(id);
    if (before?.text === text && before.place === place) return before;
    const copy = codec.decode(text, place);
    if (copy === null) {
      onForgedCopy();
      return null;
    }
    if (decoded.size >= MAX_DECODED) decoded.clear();
    const entry = { ...copy, text, place };
    decoded.set(id, entry);
    return entry;
  };

  return {
    /** Reads what Redis holds for a session. */
    parse(text: string | null, id: string, place: string): CacheReadResult {
      refused.delete(id);
      if (text === null || text === PENDING_MARK) return 'absent';
      if (text === TOMBSTONE) {
        decoded.delete(id);
        return 'ended';
      }
      const copy = decode(text, id, place);
      if (copy !== null && isFresh(copy)) return copy.session;
      if (refused.size >= MAX_REFUSED) refused.clear();
      refused.set(id, text);
      return 'absent';
    },

    /** The text that `parse` refused last, once. */
    takeRefused(id: string): string | undefined {
      const text = refused.get(id);
      refused.delete(id);
      return text;
    },

    findStale(id: string, place: string): StoredSession | null {
      const entry = decoded.get(id);
      return entry?.place === place && refused.get(id) === entry.text ? entry.session : null;
    },

    /** The copy as it was parsed last, with its proof under this key. */
    find(id: string, place: string, runId: string): CachedCopy | null {
      const entry = decoded.get(id);
      if (entry?.place !== place || !isFresh(entry)) return null;
      const { session, text } = entry;
      entry.cached ??= { session, proof: { runId, key: place, text } };
      return entry.cached;
    },
  };
}
