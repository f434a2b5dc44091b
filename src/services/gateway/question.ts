/**
 * What a request asks the limiter: from who it is, where it comes from and what it wants, the levels that count it.
 * Every level of one question lives under one hash tag, and every counter is asked with one limit whoever asks: a
 * key with a tier of its own therefore counts its addresses apart from those of its organisation. Pure.
 */
import { createHash } from 'node:crypto';
import type { KeyCaller } from '../api-keys/contract.ts';
import type {
  AnonymousLimits,
  BucketsDesign,
  ExactLimitsDesign,
  RouteClassLimits,
} from '../design.ts';
import type { Level, Question, WindowLevel } from '../rate-limit/contract.ts';
import type { LimitsOf, ResolvedLimit, ResolvedLimits } from '../rate-limit/settings-policy.ts';

export type Caller =
  | { readonly kind: 'session'; readonly organisationId: string; readonly userId: string }
  | { readonly kind: 'key'; readonly key: KeyCaller };

export interface Asking {
  readonly caller: Caller;
  /** Normalised for counting. */
  readonly address: string;
  readonly routeClass: string | undefined;
  /** Unique to the request. */
  readonly leaseId: string;
}

/** Of a session or a key. */
export function callerQuestion(
  design: ExactLimitsDesign,
  limitsOf: LimitsOf,
  { caller, address, routeClass, leaseId }: Asking,
): Question {
  const ofClass = routeClass === undefined ? undefined : design.routeClasses[routeClass];
  const weight = ofClass?.weight ?? 1;
  const window = (policy: string, subject: string, resolved: ResolvedLimit) =>
    levelOf(resolved, (limit) => ({
      ...{ kind: 'window', policy, subject, windowMs: design.windowMs, weight },
      ...limit,
    }));
  const key = caller.kind === 'key' ? caller.key : null;
  const organisationId = caller.kind === 'key' ? caller.key.organisationId : caller.organisationId;
  const numbers = limitsOf(organisationId);
  // With a tier of its own a key has other numbers than the sessions beside it.
  const own = key?.tier ? limitsOf(organisationId, key.tier) : numbers;
  const isOwn = key !== null && design.keys === 'own';
  const userId = caller.kind === 'key' ? caller.key.ownerId : caller.userId;
  return {
    tag: `o:${organisationId}`,
    levels: [
      ...window('organisation', organisationId, numbers.organisation),
      ...(isOwn
        ? keyLevels(design, key, { resolved: own.key, weight })
        : window('user', userId, numbers.user)),
      ...(ofClass && routeClass
        ? classLevels(design, ofClass, {
            policy: routeClass,
            subject: isOwn ? classSubject(design, key) : `user:${userId}`,
            leaseId,
          })
        : []),
      ...window('address', key?.tier ? `${key.tier}:${address}` : address, own.address),
    ],
  };
}

const maxKept = 20_000;

interface KeptQuestion {
  readonly organisationId: string;
  readonly address: string;
  readonly numbers: ResolvedLimits;
  readonly question: Question;
}

/**
 * The questions of sessions, which are the same for every request as long as the settings are and a user stays where
 * it is: kept with what is worked out for them. Not those with a lease, which is another one each time.
 */
export function createKeptQuestions(design: ExactLimitsDesign | null) {
  /** By class of route, then by user. */
  const kept = new Map<string | undefined, Map<string, KeptQuestion>>();
  const ofClass = (routeClass: string | undefined): Map<string, KeptQuestion> => {
    const found = kept.get(routeClass);
    if (found) return found;
    const made = new Map<string, KeptQuestion>();
    kept.set(routeClass, made);
    return made;
  };
  return {
    /** Null where there is none to keep. */
    find(
      limitsOf: LimitsOf,
      caller: Caller,
      { address, routeClass }: Pick<Asking, 'address' | 'routeClass'>,
    ): Question | null {
      if (!design || caller.kind !== 'session') return null;
      if (routeClass !== undefined && design.routeClasses[routeClass]?.concurrent !== undefined)
        return null;
      const { organisationId, userId } = caller;
      const users = ofClass(routeClass);
      const known = users.get(userId);
      const numbers = limitsOf(organisationId);
      if (
        known?.numbers === numbers &&
        known.address === address &&
        known.organisationId === organisationId
      )
        return known.question;
      if (users.size >= maxKept) users.clear();
      const asking = { caller, address, routeClass, leaseId: '' };
      const question = { ...callerQuestion(design, limitsOf, asking), kept: {} };
      users.set(userId, { organisationId, address, numbers, question });
      return question;
    },
  };
}

/** Where agents share a key, a number at one time is each agent's: the greedy one cannot hold all the places. */
const classSubject = ({ sharing }: ExactLimitsDesign, { keyId, subject }: KeyCaller) =>
  sharing === 'none' ? `key:${keyId}` : subject;

function keyLevels(
  { windowMs, sharing }: ExactLimitsDesign,
  { keyId, agent, agents }: KeyCaller,
  { resolved, weight }: { resolved: ResolvedLimit; weight: number },
): Level[] {
  const common = { subject: keyId, windowMs, weight };
  if (sharing === 'none')
    return levelOf(resolved, (limit) => ({ kind: 'window', policy: 'key', ...common, ...limit }));
  return [
    ...levelOf(resolved, (limit) => ({
      ...{ kind: 'share', policy: 'key', ...common, ...limit, agent, agents },
    })),
    // Once a key has agents, the bare key is one place and is lent nothing: whoever steals it, under whatever names,
    // gets an even part also while the agents sleep.
    ...(agent === 0 && agents > 0
      ? levelOf(resolved, ({ limit, shadow }) => ({
          ...{ kind: 'window', policy: 'unenrolled', ...common, shadow },
          limit: Math.max(weight, Math.floor(limit / (agents + 1))),
        }))
      : []),
  ];
}

function classLevels(
  { windowMs, leaseMs }: ExactLimitsDesign,
  { weight, limit, concurrent }: RouteClassLimits,
  { policy, subject, leaseId }: { policy: string; subject: string; leaseId: string },
): Level[] {
  const levels: Level[] = [];
  const common = { subject, shadow: false };
  if (limit !== undefined)
    levels.push({ kind: 'window', policy, ...common, limit, windowMs, weight });
  if (concurrent !== undefined)
    levels.push({
      ...{ kind: 'lease', policy: `${policy}-concurrent`, ...common },
      ...{ limit: concurrent, leaseMs, leaseId },
    });
  return levels;
}

const levelOf = (
  { limit, mode }: ResolvedLimit,
  make: (limit: { limit: number; shadow: boolean }) => Level,
): Level[] => (mode === 'off' ? [] : [make({ limit, shadow: mode === 'shadow' })]);

/** Of somebody who is nobody yet, by address. */
export function addressQuestion(
  { anonymous }: ExactLimitsDesign,
  policy: 'login' | 'register' | 'unauthenticated',
  address: string,
): Question {
  return {
    tag: `a:${address}`,
    levels: [anonymousLevel(policy, address, anonymous[policy], anonymous.windowMs)],
  };
}

/** Of a login, by the account it tries: an e-mail address is not kept where limits are counted. */
export function accountQuestion(
  { anonymous }: ExactLimitsDesign,
  { email, address }: { email: string; address: string },
): Question {
  const account = createHash('sha256').update(email.trim().toLowerCase()).digest('base64url');
  const { windowMs, loginAccount, loginPair } = anonymous;
  return {
    tag: `l:${account.slice(0, 22)}`,
    levels: [
      anonymousLevel('login-account', 'all', loginAccount, windowMs),
      anonymousLevel('login-pair', address, loginPair, windowMs),
    ],
  };
}

const anonymousLevel = (
  policy: string,
  subject: string,
  limit: AnonymousLimits[keyof AnonymousLimits],
  windowMs: number,
): WindowLevel => ({ kind: 'window', policy, subject, limit, windowMs, weight: 1, shadow: false });

/** The sample's: one bucket per user, its keys' requests among them. Null: not limited. */
export function bucketQuestion(
  { user, ciKeysUnlimited }: BucketsDesign,
  caller: Caller,
): Question | null {
  if (caller.kind === 'key' && caller.key.tier === 'ci' && ciKeysUnlimited) return null;
  const { organisationId } = caller.kind === 'key' ? caller.key : caller;
  const userId = caller.kind === 'key' ? caller.key.ownerId : caller.userId;
  const { capacity, refillMs } = user[0]!;
  return {
    tag: `o:${organisationId}`,
    levels: [anonymousLevel('user', userId, capacity, refillMs)],
  };
}
