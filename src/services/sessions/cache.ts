/**
 * Copies of sessions in Redis: `<prefix>s:<generation>:<run id>:<session id>`.
 *
 * A live copy is written by one script only, and only if nothing is there (a tombstone wins), the marker is the one
 * seen before PostgreSQL was read (so Redis was not emptied in between), and less than `populateLimitMs` have gone
 * by on Redis's own clock. Tombstones live far longer than that. So a copy that a logout overtook is never written.
 * A look changes nothing; only `extend` prolongs a copy, and nothing else that may be in its place.
 */
import type { Random } from '../ports.ts';
import type { RedisLink } from '../redis-link.ts';
import { createTogether } from '../together.ts';
import type { Recalled } from './contract.ts';
import { decodeSession, encodeSession, type StoredSession } from './policy.ts';

const populateLimitMs = 5_000;
const tombstoneMs = 60_000;
const holdMs = 10_000;
/** In one command, and commands at one time. */
const maxLooks = 500;
const maxLookingTogether = 4;
/** Copies that need not be read letter by letter again while they are the same. */
const maxDecoded = 20_000;

const ended = 'x';
/** An end is being committed: PostgreSQL must be asked. */
const held = 'h';

export type Looked = StoredSession | 'ended' | 'absent';

export interface Remembered {
  readonly session: StoredSession;
  readonly proof: Recalled['proof'];
}

/** What a populate must present: proof of what Redis was before the row was read. */
export interface Ticket {
  readonly runId: string;
  readonly marker: string;
  readonly issuedMs: number;
}

export interface SessionCache {
  usable(): boolean;
  /** What was decoded before, and the copy that proves it is still so; asks nobody. */
  recall(generation: number, id: string): Remembered | null;
  /** One command for all who look in the same moment; it writes nothing. */
  look(generation: number, id: string): Promise<Looked>;
  begin(): Promise<Ticket>;
  populate(
    ticket: Ticket,
    generation: number,
    copy: { session: StoredSession; ttlMs: number } | { endedId: string },
  ): Promise<boolean>;
  /** The copies that are there live for `ttlMs` from now, if that is longer. */
  extend(generation: number, lives: readonly { id: string; ttlMs: number }[]): Promise<void>;
  hold(generation: number, ids: readonly string[]): Promise<void>;
  /** Resolves when every generation given refuses the sessions. */
  bury(generations: { from: number; to: number }, ids: readonly string[]): Promise<void>;
  close(): void;
}

const beginScript = `
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
if age < 0 or age >= ${populateLimitMs} then return 0 end
if redis.call('SET', KEYS[2], ARGV[3], 'NX', 'PX', ARGV[4]) then return 1 end
return 0`;

/** A copy begins with its id and a dot; a tombstone and a hold do not. */
const extendScript = `
local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
if redis.call('PTTL', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

interface Decoded {
  readonly text: string;
  readonly session: StoredSession;
  /** Made when it is first recalled, and again when the place of the copy has changed. */
  remembered?: Remembered & { readonly generation: number };
}

export function createSessionCache(given: {
  link: RedisLink;
  keyPrefix: string;
  random: Random;
}): SessionCache {
  const { link, keyPrefix, random } = given;
  const key = (generation: number, runId: string, id: string) =>
    `${keyPrefix}s:${generation}:${runId}:${id}`;
  const markerKey = (runId: string) => `${keyPrefix}marker:${runId}`;
  const decoded = new Map<string, Decoded>();

  const lookedOf = (text: string | null, id: string): Looked => {
    if (text === null || text === held) return 'absent';
    if (text === ended) {
      decoded.delete(id);
      return 'ended';
    }
    const before = decoded.get(id);
    if (before?.text === text) return before.session;
    const session = decodeSession(text);
    if (session?.id !== id) throw new Error('an answer that belongs to another question');
    if (decoded.size >= maxDecoded) decoded.clear();
    decoded.set(id, { text, session });
    return session;
  };

  const looks = createTogether<{ generation: number; id: string }, Looked>({
    ...{ most: maxLooks, atOnce: maxLookingTogether },
    askAll: (asked) =>
      link.run(async (redis, runId) => {
        const texts = await redis.mget(
          asked.map(({ generation, id }) => key(generation, runId, id)),
        );
        return texts.map((text, i) => lookedOf(text, asked[i]!.id));
      }),
  });

  return {
    usable: () => link.runId() !== null,

    recall(generation, id) {
      const runId = link.runId();
      const known = decoded.get(id);
      if (!known || runId === null) return null;
      const { session, text, remembered } = known;
      if (remembered?.generation === generation && remembered.proof.runId === runId)
        return remembered;
      const proof = { runId, key: key(generation, runId, id), text };
      known.remembered = { session, proof, generation };
      return known.remembered;
    },

    look: (generation, id) => looks({ generation, id }),

    begin: () =>
      link.run(async (redis, runId) => {
        const fresh = random.bytes(12).toString('base64url');
        const [marker, issuedMs] = (await redis.eval(beginScript, 1, markerKey(runId), fresh)) as [
          string,
          number,
        ];
        return { runId, marker, issuedMs };
      }),

    populate: (ticket, generation, copy) =>
      link.run(async (redis) => {
        const live = 'session' in copy;
        const written = await redis.eval(
          populateScript,
          2,
          markerKey(ticket.runId),
          key(generation, ticket.runId, live ? copy.session.id : copy.endedId),
          ticket.marker,
          ticket.issuedMs,
          live ? encodeSession(copy.session) : ended,
          // The absolute end may have come since the row was judged; Redis takes no 0.
          live ? Math.max(1, copy.ttlMs) : tombstoneMs,
        );
        return written === 1;
      }),

    extend: (generation, lives) =>
      link.run(async (redis, runId) => {
        await Promise.all(
          lives.map(({ id, ttlMs }) =>
            redis.eval(extendScript, 1, key(generation, runId, id), `${id}.`, ttlMs),
          ),
        );
      }),

    hold: (generation, ids) =>
      link.run(async (redis, runId) => {
        const keys = ids.map((id) => key(generation, runId, id));
        await Promise.all(keys.map((one) => redis.set(one, held, 'PX', holdMs)));
      }),

    bury: ({ from, to }, ids) =>
      link.run(async (redis, runId) => {
        const generations = Array.from({ length: to - from + 1 }, (_, i) => from + i);
        const keys = generations.flatMap((generation) =>
          ids.map((id) => key(generation, runId, id)),
        );
        await Promise.all(keys.map((one) => redis.set(one, ended, 'PX', tombstoneMs)));
      }),

    close: () => link.close(),
  };
}
