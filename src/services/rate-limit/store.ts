/**
 * The limiter in Redis. A question is one script call: one round trip, one atomic step over all its levels, on Redis'
 * clock. The script is put together from the kinds of levels a question has, so that nobody pays for another's. The
 * client sends its digest, and its text again when Redis has forgotten it.
 *
 * Everything here rejects when Redis does; what happens then is limiter.ts's business.
 */
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { Decision, Level, LevelState, Question } from './contract.ts';
import { levelKey } from './policy.ts';

export interface LimitStore {
  ask(question: Question): Promise<Decision>;
  /** Gives the leases back. */
  release(question: Question): Promise<void>;
  /** Takes the units of an admitted decision out of its windows. What a shared key counted stays. */
  refund(question: Question, decision: Decision): Promise<void>;
}

type Script = (
  this: Redis,
  numberOfKeys: number,
  ...keysAndArguments: readonly (string | number)[]
) => Promise<number[]>;

// Same depth from src/ and from dist/.
const read = (file: string): string =>
  readFileSync(new URL(`../../../src/services/rate-limit/lua/${file}`, import.meta.url), 'utf8');

const judges: Readonly<Record<Level['kind'], string>> = {
  window: read('window.lua'),
  lease: read('lease.lua'),
  share: read('share.lua'),
};
const before = read('read.lua');
const after = read('decide.lua');
const refundScript = read('refund.lua');

/** More than Redis needs: a key must not go before its last entry, and its end is counted in whole milliseconds. */
const marginMs = 2;

export function createLimitStore(given: { redis: Redis; keyPrefix: string }): LimitStore {
  const { redis } = given;
  const prefix = `${given.keyPrefix}rl:`;
  const keysOf = (question: Question, levels: readonly Level[]) =>
    levels.map((level) => prefix + levelKey(question.tag, level));
  const command = (name: string, lua: () => string): Script => {
    const commands = redis as unknown as Record<string, Script | undefined>;
    if (!commands[name]) redis.defineCommand(name, { lua: lua() });
    return commands[name]!;
  };

  return {
    async ask(question) {
      const { levels } = question;
      const kinds = [...new Set(levels.map(({ kind }) => kind))].sort();
      const script = command(`limit:${kinds.join('+')}`, () =>
        [before, ...kinds.map((kind) => judges[kind]), after].join('\n'),
      );
      const reply = await script.call(
        redis,
        levels.length,
        ...keysOf(question, levels),
        ...levels.flatMap(argumentsOf),
      );
      return decisionOf(levels, reply);
    },

    async release(question) {
      const leases = question.levels.filter((level) => level.kind === 'lease');
      await Promise.all(
        keysOf(question, leases).map((key, i) => redis.zrem(key, leases[i]!.leaseId)),
      );
    },

    async refund(question, decision) {
      if (!decision.admitted) return;
      const counted = question.levels.filter(
        (level, i) => level.kind === 'window' && decision.levels[i]!.admitted,
      );
      if (counted.length === 0) return;
      const weights = counted.map((level) => (level.kind === 'window' ? level.weight : 0));
      const script = command('limit:refund', () => refundScript);
      await script.call(
        ...[redis, counted.length, ...keysOf(question, counted)],
        ...[decision.atUs, ...weights],
      );
    },
  };
}

function argumentsOf(level: Level): (string | number)[] {
  switch (level.kind) {
    case 'window':
      return [header(level, level.weight, level.windowMs), level.windowMs + marginMs];
    case 'lease':
      return [header(level, 1, level.leaseMs), level.leaseId];
    case 'share':
      return [header(level, level.weight, level.windowMs), level.agent, level.agents];
    default:
      return level satisfies never;
  }
}

/** What decide.lua reads from every level; it says why in this form. */
function header({ kind, shadow, limit }: Level, weight: number, spanMs: number): string {
  const letter = shadow ? kind[0]!.toUpperCase() : kind[0]!;
  return letter + characters(limit, 2) + characters(weight, 2) + characters(spanMs, 5);
}

/** A whole number as so many characters of 7 bits. */
function characters(value: number, count: number): string {
  if (!(Number.isInteger(value) && value >= 0 && value < 128 ** count))
    throw new RangeError(`${value} is not a whole number below ${128 ** count}`);
  const codes = Array.from(
    { length: count },
    (_, i) => Math.floor(value / 128 ** (count - 1 - i)) % 128,
  );
  return String.fromCharCode(...codes);
}

function decisionOf(levels: readonly Level[], reply: readonly number[]): Decision {
  return {
    admitted: reply[1] === 1,
    atUs: reply[0]!,
    mode: 'store',
    levels: levels.map(
      (level, i): LevelState => ({
        policy: level.policy,
        admitted: reply[2 + 3 * i] === 1,
        shadow: level.shadow,
        limit: level.limit,
        windowMs: level.kind === 'lease' ? 0 : level.windowMs,
        remaining: reply[3 + 3 * i]!,
        resetUs: reply[4 + 3 * i]!,
      }),
    ),
  };
}
