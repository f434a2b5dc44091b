/**
 * Groups of accounts, from the params of accounts.ts: their users, credentials and client addresses. A group has `count`
 * users, one after the other from `firstUser` or after the group before. Each user has `sessionsPerUser` sessions, or
 * `keysPerUser` keys, or one key with `agents` agents enrolled. `keyOf` uses the keys of an earlier group instead: as they are (kind
 * `keys`, a stolen key), or with more agents (kind `agents`, a greedy one). Each user is in an organisation of its own,
 * unless the group has `oneOrganisation` or joins that of an earlier group (`organisationOf`, `administratedBy`). Pure.
 */
import { MAX_SLOTS } from '../api-keys/token.ts';
import { ConfigError, type ParamReader, readParams } from '../gateway/process-config.ts';
import {
  MAX_LIMIT,
  type Policy,
  policies,
  type Tier,
  tiers,
} from '../rate-limit/settings-policy.ts';

const groupKinds = ['sessions', 'keys', 'agents'] as const;
const timeouts = ['absolute', 'idle'] as const;

/** Sessions that began long ago: they end by themselves, evenly between these times after the job. */
export interface EndingSessions {
  /** `absolute`: they began nearly the absolute timeout ago. `idle`: they were last used nearly the idle timeout ago. */
  readonly by: (typeof timeouts)[number];
  readonly fromMs: number;
  readonly toMs: number;
  /** The load does not use them before they have ended; without it, use keeps idle ones alive. */
  readonly dormant: boolean;
}

export interface AccountGroup {
  readonly name: string;
  readonly kind: (typeof groupKinds)[number];
  readonly firstUser: number;
  readonly count: number;
  /** Credentials of each user. */
  readonly perUser: number;
  readonly keyOf: AccountGroup | null;
  /** Of the users' organisations, and of their keys. */
  readonly tier: Tier | null;
  /** All users are in the organisation of this user; null: each is in its own. */
  readonly organisationOf: number | null;
  /** Password hashes from before their cost was raised: logging in often does not take the processors. */
  readonly cheapPasswords: boolean;
  /** Numbers of the users' organisations by policy. */
  readonly limits: Readonly<Partial<Record<Policy, number>>>;
  /** Client addresses the group comes from; null: one for each credential. */
  readonly addresses: number | null;
  /** Each account sends a forged address before the real one. */
  readonly forged: boolean;
  /** Every address is a network of its own (/64), in which each account has an interface of its own. */
  readonly ipv6: boolean;
  /** The group whose users these accounts try to log in as; default their own. */
  readonly victims: AccountGroup | null;
  readonly ending: EndingSessions | null;
  /** The users have the role administrator of their organisations. */
  readonly administrators: boolean;
  /** The group whose first account administrates these users, so they are in its organisation. */
  readonly administratedBy: AccountGroup | null;
}

const OWN_KEYS = [
  'count',
  'firstUser',
  'keysPerUser',
  'tier',
  'limits',
  'sessionsPerUser',
  'oneOrganisation',
  'organisationOf',
  'cheapPasswords',
];
const KNOWN_KEYS = [
  'name',
  'kind',
  ...OWN_KEYS,
  'agents',
  'keyOf',
  'addresses',
  'forged',
  'ipv6',
  'victims',
  'ending',
  'administrators',
  'administratedBy',
];
const MAX_GROUPS = 250;
/** Of a group; also the most accounts it may have. */
const MAX_ADDRESSES = 60_000;

export function readGroups(
  values: readonly unknown[],
  { users }: { users: number },
): readonly AccountGroup[] {
  if (values.length > MAX_GROUPS)
    throw new ConfigError(`params.groups has ${values.length} groups; at most ${MAX_GROUPS}`);
  const groups: AccountGroup[] = [];
  let nextUser = 1;
  for (const [index, value] of values.entries()) {
    const where = `params.groups[${index}]`;
    const group = readGroup(value, { where, earlier: groups, nextUser });
    const lastUser = group.firstUser + group.count - 1;
    if (lastUser > users)
      throw new ConfigError(
        `${where} needs users ${group.firstUser} to ${lastUser}; there are ${users}`,
      );
    if (!group.keyOf) nextUser = lastUser + 1;
    groups.push(group);
  }
  return groups;
}

function readGroup(
  value: unknown,
  context: { where: string; earlier: readonly AccountGroup[]; nextUser: number },
): AccountGroup {
  const { where, earlier } = context;
  const params = readParams(value, where);
  params.rejectUnknown(KNOWN_KEYS);
  const name = params.string('name');
  if (earlier.some((group) => group.name === name))
    throw new ConfigError(`${where}.name '${name}' is taken by another group`);
  const kind = readChoice(params, 'kind', groupKinds, where);
  const keyOf = readEarlierGroup(params, 'keyOf', context);
  if (keyOf) rejectOwnFields(value as object, { where, kind, keyOf });
  const addresses = has(value, 'addresses')
    ? readInteger(params, 'addresses', where, MAX_ADDRESSES)
    : null;
  const count = keyOf ? keyOf.count : readInteger(params, 'count', where, MAX_ADDRESSES, 1);
  const perUser = readPerUser(params, { where, kind, keyOf });
  if (count * perUser > MAX_ADDRESSES)
    throw new ConfigError(`${where} has ${count * perUser} accounts; at most ${MAX_ADDRESSES}`);
  const firstUser = keyOf
    ? keyOf.firstUser
    : Math.max(1, params.integer('firstUser', context.nextUser));
  return {
    name,
    kind,
    keyOf,
    addresses,
    count,
    perUser,
    firstUser,
    cheapPasswords: params.flag('cheapPasswords'),
    organisationOf: readOrganisation(params, { ...context, firstUser }),
    tier: has(value, 'tier') ? readChoice(params, 'tier', tiers, where) : null,
    limits: readLimits(params, where),
    forged: params.flag('forged'),
    ipv6: params.flag('ipv6'),
    victims: readEarlierGroup(params, 'victims', context),
    ending: has(value, 'ending') ? readEnding(params, { where, kind }) : null,
    administrators: params.flag('administrators'),
    administratedBy: readEarlierGroup(params, 'administratedBy', context),
  };
}

const has = (value: unknown, key: string) => Object.hasOwn(value as object, key);

/** With `oneOrganisation` that of the group's first user, with `organisationOf` or `administratedBy` that of an earlier group. */
function readOrganisation(
  params: ParamReader,
  context: { where: string; earlier: readonly AccountGroup[]; firstUser: number },
): number | null {
  const joined =
    readEarlierGroup(params, 'organisationOf', context) ??
    readEarlierGroup(params, 'administratedBy', context);
  if (joined) return joined.organisationOf ?? joined.firstUser;
  return params.flag('oneOrganisation') ? context.firstUser : null;
}

function readPerUser(
  params: ParamReader,
  { where, kind, keyOf }: { where: string } & Pick<AccountGroup, 'kind' | 'keyOf'>,
): number {
  switch (kind) {
    case 'sessions':
      return readInteger(params, 'sessionsPerUser', where, 100, 1);
    case 'keys':
      return keyOf
        ? keyOf.kind === 'keys'
          ? keyOf.perUser
          : 1
        : readInteger(params, 'keysPerUser', where, 1_000, 1);
    case 'agents':
      return readInteger(params, 'agents', where, MAX_SLOTS);
    default:
      return kind satisfies never;
  }
}

function readEnding(
  params: ParamReader,
  { where: groupAt, kind }: { where: string; kind: string },
): EndingSessions {
  const where = `${groupAt}.ending`;
  if (kind !== 'sessions') throw new ConfigError(`${where}: only sessions end by themselves`);
  const reader = readParams(params.object('ending'), where);
  reader.rejectUnknown(['by', 'fromMs', 'toMs', 'dormant']);
  const fromMs = reader.integer('fromMs');
  const toMs = reader.integer('toMs');
  if (fromMs > toMs) throw new ConfigError(`${where}.fromMs must be at most toMs, not ${fromMs}`);
  return {
    by: readChoice(reader, 'by', timeouts, where),
    fromMs,
    toMs,
    dormant: reader.flag('dormant'),
  };
}

function rejectOwnFields(
  value: object,
  { where, kind, keyOf }: { where: string; kind: string; keyOf: AccountGroup },
): void {
  if (kind === 'sessions' || keyOf.kind === 'sessions')
    throw new ConfigError(`${where}.keyOf: a group of sessions has no keys`);
  const other = OWN_KEYS.find((key) => has(value, key));
  if (other)
    throw new ConfigError(`${where}.${other} is that of '${keyOf.name}', whose keys it uses`);
}

function readLimits(params: ParamReader, groupAt: string): AccountGroup['limits'] {
  const limits = params.object('limits', {});
  const where = `${groupAt}.limits`;
  const reader = readParams(limits, where);
  reader.rejectUnknown(policies);
  return Object.fromEntries(
    Object.keys(limits).map((policy) => [policy, readInteger(reader, policy, where, MAX_LIMIT)]),
  );
}

function readChoice<const T extends string>(
  params: ParamReader,
  key: string,
  choices: readonly T[],
  where: string,
): T {
  const text = params.string(key);
  const found = choices.find((choice) => choice === text);
  if (found) return found;
  throw new ConfigError(`${where}.${key} must be one of ${choices.join(', ')}, not '${text}'`);
}

function readInteger(
  params: ParamReader,
  key: string,
  where: string,
  max: number,
  fallback?: number,
): number {
  const found = params.integer(key, fallback);
  if (found >= 1 && found <= max) return found;
  throw new ConfigError(`${where}.${key} must be 1 to ${max}, not ${found}`);
}

function readEarlierGroup(
  params: ParamReader,
  key: string,
  { where, earlier }: { where: string; earlier: readonly AccountGroup[] },
): AccountGroup | null {
  const name = params.string(key, '');
  if (name === '') return null;
  const found = earlier.find((group) => group.name === name);
  if (found) return found;
  throw new ConfigError(`${where}.${key} must name an earlier group, not '${name}'`);
}

/** `10.<group>.x.y`, or in IPv6 a /64 of the group with one interface for each account. Groups and places count from 0. */
export function clientAddress(
  group: number,
  place: number,
  account: number,
  ipv6: boolean,
): string {
  const hex = (n: number) => n.toString(16);
  if (ipv6) return `fd00:${hex(group + 1)}:0:${hex(place + 1)}::${hex(account + 1)}`;
  return `10.${group + 1}.${(place + 1) >> 8}.${(place + 1) & 255}`;
}

/** In the range reserved for benchmarks (198.18.0.0/15). */
export const forgedAddress = (account: number): string =>
  `198.${18 + ((account >> 16) & 1)}.${(account >> 8) & 255}.${account & 255}`;
