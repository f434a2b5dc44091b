/**
 * The limiter in Redis. A request is decided in one atomic step over all its levels, by Redis' clock. The requests of a
 * batch share one script call and are decided one after the other, so the cost of a call is paid once. The script
 * contains only the kinds of levels it decides. The client sends its digest (EVALSHA), and its text when Redis does not
 * have it. In a cluster all requests of one call must have the same tag, so that their keys are in one hash slot.
 *
 * Everything here rejects when Redis does; limiter.ts handles that.
 */
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { Condition, Decision, Level, LevelState, LimitRequest } from './contract.ts';
import { stepUsOf } from './fair-share.ts';
import { levelKey } from './policy.ts';

export interface LimitStore {
  decide(request: LimitRequest): Promise<Decision>;
  /** One round trip for the whole batch. */
  decideBatch(requests: readonly LimitRequest[]): Promise<readonly Decision[]>;
  /** The same, each only if its condition holds; null where it does not. */
  decideBatchIf(requests: readonly ConditionalRequest[]): Promise<readonly (Decision | null)[]>;
  /** Releases the concurrency slots. */
  release(request: LimitRequest): Promise<void>;
  /** Takes the units of an admitted decision out of its windows and fair shares. */
  refund(request: LimitRequest, decision: Decision): Promise<void>;
}

/** The request may have window levels only. */
export interface ConditionalRequest {
  readonly request: LimitRequest;
  readonly condition: Condition;
}

type Script = (
  this: Redis,
  numberOfKeys: number,
  ...keysAndArguments: readonly (string | number | readonly string[])[]
) => Promise<number[]>;

// Same depth from src/ and from dist/.
const readLua = (file: string): string =>
  readFileSync(new URL(`../../../src/services/rate-limit/lua/${file}`, import.meta.url), 'utf8');

const levelScripts: Readonly<Record<Level['kind'], string>> = {
  window: readLua('window.lua'),
  lease: readLua('concurrency.lua'),
  share: readLua('fair-share.lua'),
};
const start = readLua('start.lua');
const oneWindow = readLua('one-window.lua');
const reading = readLua('read.lua');
const deciding = readLua('decide.lua');
const endOne = readLua('one.lua');
const endMany = readLua('many.lua');
const endConditional = readLua('conditional.lua');
const refundScript = readLua('refund.lua');
const refundShareScript = readLua('refund-share.lua');

const kindBits: Readonly<Record<Level['kind'], number>> = { window: 1, lease: 2, share: 4 };
const ALL_KINDS = kindBits.window + kindBits.lease + kindBits.share;
/** `mask`: the `kindBits` of the levels, or 0 for a single window. */
const scriptOf = (mask: number, ending: string): string => {
  const kinds = Object.entries(levelScripts).filter(
    ([kind]) => (mask || 1) & kindBits[kind as Level['kind']],
  );
  const parts = kinds.map(([, script]) => script);
  return [start, ...(mask === 0 ? [oneWindow] : []), reading, ...parts, deciding, ending].join(
    '\n',
  );
};

interface LimitScripts {
  /** By the mask of `scriptOf`. */
  readonly decideOne: readonly Script[];
  readonly decideMany: readonly Script[];
  readonly decideManyIf: Script;
  readonly refund: Script;
  readonly refundShare: Script;
}

/**
 * Before first use: an ioredis pipeline knows the commands defined when it began, and calling one that it lacks ends
 * the process.
 */
function defineScripts(redis: Redis): LimitScripts {
  const command = (name: string, lua: string): Script => {
    redis.defineCommand(name, { lua });
    return (redis as unknown as Record<string, Script>)[name]!;
  };
  return {
    decideOne: Array.from({ length: ALL_KINDS + 1 }, (_, mask) =>
      command(`limit:decide${mask}`, scriptOf(mask, endOne)),
    ),
    decideMany: Array.from({ length: ALL_KINDS + 1 }, (_, mask) =>
      command(`limit:decideMany${mask}`, scriptOf(mask || 1, endMany)),
    ),
    decideManyIf: command('limit:decideManyIf', scriptOf(kindBits.window, endConditional)),
    refund: command('limit:refund', refundScript),
    refundShare: command('limit:refundShare', refundShareScript),
  };
}

/** Where the requests are decided. */
interface ScriptTarget {
  readonly redis: Redis;
  readonly prefix: string;
  readonly scripts: LimitScripts;
}

export function createLimitStore(options: { redis: Redis; keyPrefix: string }): LimitStore {
  const { redis, keyPrefix } = options;
  const target = { redis, prefix: `${keyPrefix}rl:`, scripts: defineScripts(redis) };
  return {
    decide: (request) => decide(target, request),
    decideBatch: (requests) => decideBatch(target, requests),
    decideBatchIf: (requests) => decideBatchIf(target, requests),
    release: (request) => release(target, request),
    refund: (request, decision) => refund(target, request, decision),
  };
}

async function decide(target: ScriptTarget, request: LimitRequest): Promise<Decision> {
  const { levels } = request;
  const isSingleWindow = levels.length === 1 && levels[0]!.kind === 'window';
  const mask = isSingleWindow ? 0 : levels.reduce((all, { kind }) => all | kindBits[kind], 0);
  const reply = await target.scripts.decideOne[mask]!.call(
    target.redis,
    levels.length,
    ...keysOf(target.prefix, request, levels),
    ...levels.flatMap(argumentsOf),
  );
  return decisionOf(levels, reply, 0);
}

async function decideBatch(
  target: ScriptTarget,
  requests: readonly LimitRequest[],
): Promise<readonly Decision[]> {
  if (requests.length === 1) return [await decide(target, requests[0]!)];
  const keys: string[] = [];
  const rest: (string | number)[] = [];
  const counts: number[] = [];
  let mask = 0;
  for (const request of requests) {
    counts.push(request.levels.length);
    for (const { kind } of request.levels) mask |= kindBits[kind];
    for (const key of encodedKeys(target.prefix, request)) keys.push(key);
    for (const level of request.levels) rest.push(...argumentsOf(level));
  }
  const reply = await target.scripts.decideMany[mask]!.call(
    target.redis,
    keys.length,
    ...keys,
    ...rest,
    String.fromCharCode(...counts),
  );
  let offset = 0;
  return requests.map(({ levels }) => {
    const decision = decisionOf(levels, reply, offset);
    offset += 1 + 2 * levels.length;
    return decision;
  });
}

async function decideBatchIf(
  { redis, prefix, scripts }: ScriptTarget,
  requests: readonly ConditionalRequest[],
): Promise<readonly (Decision | null)[]> {
  const keys: string[] = [];
  let headers = '';
  let counts = '';
  for (const { request } of requests) {
    const encoded = encodeConditional(prefix, request);
    for (const key of encoded.keys) keys.push(key);
    headers += encoded.headers;
    counts += String.fromCharCode(encoded.keys.length);
  }
  const texts: string[] = [];
  for (const { condition } of requests) {
    keys.push(condition.key);
    texts.push(condition.text);
  }
  // In arrays, because ioredis would copy single arguments once more.
  const reply = await scripts.decideManyIf.call(redis, keys.length, keys, [headers, counts], texts);
  let offset = 0;
  return requests.map(({ request: { levels } }) => {
    const decision = reply[offset]! < 0 ? null : decisionOf(levels, reply, offset);
    offset += 1 + 2 * levels.length;
    return decision;
  });
}

async function release({ redis, prefix }: ScriptTarget, request: LimitRequest): Promise<void> {
  const slots = request.levels.filter((level) => level.kind === 'lease');
  const keys = keysOf(prefix, request, slots);
  await Promise.all(keys.map((key, i) => redis.zrem(key, slots[i]!.slotId)));
}

async function refund(
  { redis, prefix, scripts }: ScriptTarget,
  request: LimitRequest,
  decision: Decision,
): Promise<void> {
  if (!decision.admitted) return;
  const counted = request.levels.filter((_, i) => decision.levels[i]!.admitted);
  const give = async (script: Script, levels: readonly Level[], rest: readonly number[]) => {
    if (levels.length === 0) return;
    const keys = keysOf(prefix, request, levels);
    await script.call(redis, keys.length, ...keys, decision.atUs, ...rest);
  };
  const windows = counted.filter((level) => level.kind === 'window');
  const shares = counted.filter((level) => level.kind === 'share');
  await Promise.all([
    give(
      scripts.refund,
      windows,
      windows.map(({ weight }) => weight),
    ),
    give(
      scripts.refundShare,
      shares,
      shares.flatMap((level) => [level.agent, level.weight, stepUsOf(level)]),
    ),
  ]);
}

const keysOf = (prefix: string, request: LimitRequest, levels: readonly Level[]): string[] =>
  levels.map((level) => prefix + levelKey(request.tag, level));

function encodedKeys(prefix: string, request: LimitRequest): readonly string[] {
  const { cached, levels } = request;
  const keys = cached?.keys ?? keysOf(prefix, request, levels);
  if (cached) cached.keys = keys;
  return keys;
}

/** Only window levels, whose arguments are their headers alone. */
function encodeConditional(
  prefix: string,
  request: LimitRequest,
): { keys: readonly string[]; headers: string } {
  const { cached, levels } = request;
  const headers = cached?.headers ?? levels.flatMap(argumentsOf).join('');
  if (cached) cached.headers = headers;
  return { keys: encodedKeys(prefix, request), headers };
}

function argumentsOf(level: Level): (string | number)[] {
  switch (level.kind) {
    case 'window':
      return [levelHeader(level, level.weight, level.windowMs)];
    case 'lease':
      return [levelHeader(level, 1, level.slotTtlMs), level.slotId];
    case 'share':
      return [levelHeader(level, level.weight, level.windowMs), level.agent, level.agents];
    default:
      return level satisfies never;
  }
}

/** Ten characters that decide.lua reads from every level; it says why in this form. */
function levelHeader({ kind, shadow, limit }: Level, weight: number, spanMs: number): string {
  const codes = [kind.charCodeAt(0) - (shadow ? 32 : 0)];
  addSevenBits(codes, limit, 2);
  addSevenBits(codes, weight, 2);
  addSevenBits(codes, spanMs, 5);
  return String.fromCharCode(...codes);
}

/** Appends `value` as `count` digits of 7 bits, the highest first. */
function addSevenBits(codes: number[], value: number, count: number): void {
  if (!(Number.isInteger(value) && value >= 0 && value < 128 ** count))
    throw new RangeError(`${value} is not a whole number below ${128 ** count}`);
  for (let unit = 128 ** (count - 1); unit >= 1; unit /= 128)
    codes.push(Math.floor(value / unit) % 128);
}

/** Reads the decision that begins at `offset` of the reply. */
function decisionOf(levels: readonly Level[], reply: readonly number[], offset: number): Decision {
  let admitted = true;
  const states = levels.map((level, i): LevelState => {
    const remaining = reply[offset + 1 + 2 * i]!;
    const fits = remaining >= 0;
    if (!fits && !level.shadow) admitted = false;
    return {
      policy: level.policy,
      admitted: fits,
      shadow: level.shadow,
      limit: level.limit,
      windowMs: level.kind === 'lease' ? 0 : level.windowMs,
      remaining: fits ? remaining : -1 - remaining,
      resetUs: reply[offset + 2 + 2 * i]!,
    };
  });
  return { admitted, atUs: reply[offset]!, mode: 'store', levels: states };
}
