/**
 * The limiter in Redis. A question is one atomic step over all its levels, on Redis' clock. Those of one moment share a
 * script call and are decided one after the other: what a call costs is paid once. The script is put together from the
 * kinds of levels asked about, so that nobody pays for others. The client sends its digest, and its text again when Redis
 * has forgotten it. In a cluster one call may only ask about one slot, which is all that questions of one tag are.
 *
 * Everything here rejects when Redis does; what happens then is limiter.ts's business.
 */
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { Condition, Decision, Level, LevelState, Question } from './contract.ts';
import { levelKey } from './policy.ts';

export interface LimitStore {
  ask(question: Question): Promise<Decision>;
  /** One round trip for all of them. */
  askAll(questions: readonly Question[]): Promise<readonly Decision[]>;
  /** The same, each only while its condition holds; null where it does not. */
  askAllWhile(asked: readonly Conditional[]): Promise<readonly (Decision | null)[]>;
  /** Gives the leases back. */
  release(question: Question): Promise<void>;
  /** Takes the units of an admitted decision out of its windows. What a shared key counted stays. */
  refund(question: Question, decision: Decision): Promise<void>;
}

/** A question of windows alone. */
export interface Conditional {
  readonly question: Question;
  readonly condition: Condition;
}

type Script = (
  this: Redis,
  numberOfKeys: number,
  ...keysAndArguments: readonly (string | number | readonly string[])[]
) => Promise<number[]>;

// Same depth from src/ and from dist/.
const read = (file: string): string =>
  readFileSync(new URL(`../../../src/services/rate-limit/lua/${file}`, import.meta.url), 'utf8');

const judges: Readonly<Record<Level['kind'], string>> = {
  window: read('window.lua'),
  lease: read('lease.lua'),
  share: read('share.lua'),
};
const [start, oneWindow, reading, deciding] = [
  ...[read('start.lua'), read('one-window.lua'), read('read.lua'), read('decide.lua')],
] as const;
const [one, many, conditionally] = [read('one.lua'), read('many.lua'), read('while.lua')] as const;
const refundScript = read('refund.lua');

const bits: Readonly<Record<Level['kind'], number>> = { window: 1, lease: 2, share: 4 };
const allKinds = bits.window + bits.lease + bits.share;
/** `bits` of the kinds, or nothing: one window alone. */
const scriptOf = (mask: number, ending: string): string => {
  const kinds = Object.entries(judges).filter(
    ([kind]) => (mask || 1) & bits[kind as Level['kind']],
  );
  const parts = kinds.map(([, judge]) => judge);
  return [start, ...(mask === 0 ? [oneWindow] : []), reading, ...parts, deciding, ending].join(
    '\n',
  );
};

export function createLimitStore(given: { redis: Redis; keyPrefix: string }): LimitStore {
  const { redis } = given;
  const prefix = `${given.keyPrefix}rl:`;
  const keysOf = (question: Question, levels: readonly Level[]) =>
    levels.map((level) => prefix + levelKey(question.tag, level));
  const command = (name: string, lua: string): Script => {
    redis.defineCommand(name, { lua });
    return (redis as unknown as Record<string, Script>)[name]!;
  };
  // All at once: ioredis' automatic pipelines know the commands that were there when they began, and one that is
  // missing from a pipeline under way ends the process.
  const asking = Array.from({ length: allKinds + 1 }, (_, mask) =>
    command(`limit:ask${mask}`, scriptOf(mask, one)),
  );
  const askingMany = Array.from({ length: allKinds + 1 }, (_, mask) =>
    command(`limit:askMany${mask}`, scriptOf(mask || 1, many)),
  );
  const askingWhile = command('limit:askWhile', scriptOf(bits.window, conditionally));
  const refunding = command('limit:refund', refundScript);

  const ask = async (question: Question): Promise<Decision> => {
    const { levels } = question;
    const alone = levels.length === 1 && levels[0]!.kind === 'window';
    const mask = alone ? 0 : levels.reduce((all, { kind }) => all | bits[kind], 0);
    const reply = await asking[mask]!.call(
      redis,
      levels.length,
      ...keysOf(question, levels),
      ...levels.flatMap(argumentsOf),
    );
    return decisionOf(levels, reply, 0);
  };

  const keptKeys = (question: Question): readonly string[] => {
    const { kept, levels } = question;
    const keys = kept?.keys ?? keysOf(question, levels);
    if (kept) kept.keys = keys;
    return keys;
  };
  /** Of windows alone, each of which sends its header and nothing else. */
  const sentWhile = (question: Question): { keys: readonly string[]; headers: string } => {
    const { kept, levels } = question;
    const headers = kept?.headers ?? levels.flatMap(argumentsOf).join('');
    if (kept) kept.headers = headers;
    return { keys: keptKeys(question), headers };
  };

  return {
    ask,

    async askAll(questions) {
      if (questions.length === 1) return [await ask(questions[0]!)];
      const keys: string[] = [];
      const rest: (string | number)[] = [];
      const counts: number[] = [];
      let mask = 0;
      for (const question of questions) {
        counts.push(question.levels.length);
        for (const { kind } of question.levels) mask |= bits[kind];
        for (const key of keptKeys(question)) keys.push(key);
        for (const level of question.levels) rest.push(...argumentsOf(level));
      }
      const reply = await askingMany[mask]!.call(
        ...[redis, keys.length, ...keys, ...rest, String.fromCharCode(...counts)],
      );
      let said = 0;
      return questions.map(({ levels }) => {
        const decision = decisionOf(levels, reply, said);
        said += 1 + 2 * levels.length;
        return decision;
      });
    },

    async askAllWhile(asked) {
      const keys: string[] = [];
      let headers = '';
      let counts = '';
      for (const { question } of asked) {
        const { keys: own, headers: text } = sentWhile(question);
        for (const key of own) keys.push(key);
        headers += text;
        counts += String.fromCharCode(own.length);
      }
      const texts: string[] = [];
      for (const { condition } of asked) {
        keys.push(condition.key);
        texts.push(condition.text);
      }
      // In arrays: the client would copy single arguments once more.
      const reply = await askingWhile.call(redis, keys.length, keys, [headers, counts], texts);
      let said = 0;
      return asked.map(({ question: { levels } }) => {
        const decision = reply[said]! < 0 ? null : decisionOf(levels, reply, said);
        said += 1 + 2 * levels.length;
        return decision;
      });
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
      await refunding.call(
        ...[redis, counted.length, ...keysOf(question, counted)],
        ...[decision.atUs, ...weights],
      );
    },
  };
}

function argumentsOf(level: Level): (string | number)[] {
  switch (level.kind) {
    case 'window':
      return [header(level, level.weight, level.windowMs)];
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
  const codes = [kind.charCodeAt(0) - (shadow ? 32 : 0)];
  addSevens(codes, limit, 2);
  addSevens(codes, weight, 2);
  addSevens(codes, spanMs, 5);
  return String.fromCharCode(...codes);
}

/** A whole number in so many pieces of 7 bits, the highest first. */
function addSevens(codes: number[], value: number, count: number): void {
  if (!(Number.isInteger(value) && value >= 0 && value < 128 ** count))
    throw new RangeError(`${value} is not a whole number below ${128 ** count}`);
  for (let unit = 128 ** (count - 1); unit >= 1; unit /= 128)
    codes.push(Math.floor(value / unit) % 128);
}

/** From what `reply` says after its first `said`. */
function decisionOf(levels: readonly Level[], reply: readonly number[], said: number): Decision {
  let admitted = true;
  const states = levels.map((level, i): LevelState => {
    const remaining = reply[said + 1 + 2 * i]!;
    const fits = remaining >= 0;
    if (!fits && !level.shadow) admitted = false;
    return {
      policy: level.policy,
      admitted: fits,
      shadow: level.shadow,
      limit: level.limit,
      windowMs: level.kind === 'lease' ? 0 : level.windowMs,
      remaining: fits ? remaining : -1 - remaining,
      resetUs: reply[said + 2 + 2 * i]!,
    };
  });
  return { admitted, atUs: reply[said]!, mode: 'store', levels: states };
}
