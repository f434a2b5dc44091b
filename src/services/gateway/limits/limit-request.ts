/**
 * What the limiter decides for one HTTP request: the levels that count its principal, its address and its route class.
 * All levels of one limit request share a hash tag. A counter has the same limit for every principal: a key with a tier
 * of its own therefore counts its addresses apart from those of its organisation. Pure.
 */
import { createHash } from 'node:crypto';
import type { KeyPrincipal } from '../../api-keys/contract.ts';
import type {
  AnonymousLimits,
  BucketsDesign,
  ExactLimitsDesign,
  RouteClassLimits,
} from '../../design.ts';
import type { Level, LimitRequest, WindowLevel } from '../../rate-limit/contract.ts';
import type { LimitsOf, ResolvedLimit, ResolvedLimits } from '../../rate-limit/settings-policy.ts';

export type Principal =
  | { readonly kind: 'session'; readonly organisationId: string; readonly userId: string }
  | { readonly kind: 'key'; readonly key: KeyPrincipal };

export interface LimitContext {
  readonly principal: Principal;
  /** Normalised for counting. */
  readonly address: string;
  readonly routeClass: string | undefined;
  /** Unique to the request. */
  readonly slotId: string;
}

/** Of a session or a key. */
export function principalLimitRequest(
  design: ExactLimitsDesign,
  limitsOf: LimitsOf,
  { principal, address, routeClass, slotId }: LimitContext,
): LimitRequest {
  const classLimits = routeClass === undefined ? undefined : design.routeClasses[routeClass];
  const weight = classLimits?.weight ?? 1;
  const { windowMs } = design;
  const windowOf = (policy: string, subject: string, resolved: ResolvedLimit) =>
    levelOf(resolved, (limit) => ({ kind: 'window', policy, subject, windowMs, weight, ...limit }));
  const key = principal.kind === 'key' ? principal.key : null;
  const { organisationId } = principal.kind === 'key' ? principal.key : principal;
  const limits = limitsOf(organisationId);
  // A key with a tier of its own has other limits than the sessions of its organisation.
  const tierLimits = key?.tier ? limitsOf(organisationId, key.tier) : limits;
  const hasOwnWindow = key !== null && design.keys === 'own';
  const userId = principal.kind === 'key' ? principal.key.ownerId : principal.userId;
  return {
    tag: `o:${organisationId}`,
    levels: [
      ...windowOf('organisation', organisationId, limits.organisation),
      ...(hasOwnWindow
        ? keyLevels(design, key, { resolved: tierLimits.key, weight })
        : windowOf('user', userId, limits.user)),
      ...(classLimits && routeClass
        ? classLevels(design, classLimits, {
            policy: routeClass,
            subject: hasOwnWindow ? classSubject(design, key) : `user:${userId}`,
            slotId,
          })
        : []),
      ...windowOf('address', key?.tier ? `${key.tier}:${address}` : address, tierLimits.address),
    ],
  };
}

const MAX_CACHED = 20_000;

interface CachedLimitRequest {
  readonly organisationId: string;
  readonly address: string;
  readonly limits: ResolvedLimits;
  readonly limitRequest: LimitRequest;
}

/**
 * Limit requests of sessions, with their encodings: the same for every HTTP request until the settings or the user's
 * address change. One that takes a concurrency slot is not cached, because its slot id is new each time.
 */
export function createLimitRequestCache(design: ExactLimitsDesign) {
  /** By route class, then by user. */
  const cache = new Map<string | undefined, Map<string, CachedLimitRequest>>();
  const usersOf = (routeClass: string | undefined): Map<string, CachedLimitRequest> => {
    const found = cache.get(routeClass);
    if (found) return found;
    const created = new Map<string, CachedLimitRequest>();
    cache.set(routeClass, created);
    return created;
  };
  return {
    /** Null where it cannot be cached. */
    find(
      limitsOf: LimitsOf,
      { principal, address, routeClass }: Omit<LimitContext, 'slotId'>,
    ): LimitRequest | null {
      if (principal.kind !== 'session') return null;
      if (routeClass !== undefined && design.routeClasses[routeClass]?.concurrent !== undefined)
        return null;
      const { organisationId, userId } = principal;
      const users = usersOf(routeClass);
      const found = users.get(userId);
      const limits = limitsOf(organisationId);
      if (
        found?.limits === limits &&
        found.address === address &&
        found.organisationId === organisationId
      )
        return found.limitRequest;
      if (users.size >= MAX_CACHED) users.clear();
      const context = { principal, address, routeClass, slotId: '' };
      const limitRequest = { ...principalLimitRequest(design, limitsOf, context), cached: {} };
      users.set(userId, { organisationId, address, limits, limitRequest });
      return limitRequest;
    },
  };
}

/** Where agents share a key, the concurrency limit is each agent's: one agent cannot hold all the slots. */
const classSubject = ({ sharing }: ExactLimitsDesign, { keyId, subject }: KeyPrincipal) =>
  sharing === 'none' ? `key:${keyId}` : subject;

function keyLevels(
  { windowMs, sharing }: ExactLimitsDesign,
  { keyId, agent, agents }: KeyPrincipal,
  { resolved, weight }: { resolved: ResolvedLimit; weight: number },
): Level[] {
  const common = { subject: keyId, windowMs, weight };
  if (sharing === 'none')
    return levelOf(resolved, (limit) => ({ kind: 'window', policy: 'key', ...common, ...limit }));
  const share = levelOf(resolved, (limit) => ({
    kind: 'share',
    policy: 'key',
    ...common,
    ...limit,
    agent,
    agents,
  }));
  if (agent !== 0 || agents === 0) return share;
  // Once a key has agents, the bare key gets an even part and borrows nothing, also while the agents are idle: a thief
  // of the key cannot take more by inventing agents.
  const unenrolled = levelOf(resolved, ({ limit, shadow }) => ({
    kind: 'window',
    policy: 'unenrolled',
    ...common,
    shadow,
    limit: Math.max(weight, Math.floor(limit / (agents + 1))),
  }));
  return [...share, ...unenrolled];
}

function classLevels(
  { windowMs, slotTtlMs }: ExactLimitsDesign,
  { weight, limit, concurrent }: RouteClassLimits,
  { policy, subject, slotId }: { policy: string; subject: string; slotId: string },
): Level[] {
  const levels: Level[] = [];
  const common = { subject, shadow: false };
  if (limit !== undefined)
    levels.push({ kind: 'window', policy, ...common, limit, windowMs, weight });
  if (concurrent !== undefined)
    levels.push({
      kind: 'lease',
      policy: `${policy}-concurrent`,
      ...common,
      limit: concurrent,
      slotTtlMs,
      slotId,
    });
  return levels;
}

const levelOf = (
  { limit, mode }: ResolvedLimit,
  create: (limit: { limit: number; shadow: boolean }) => Level,
): Level[] => (mode === 'off' ? [] : [create({ limit, shadow: mode === 'shadow' })]);

export type AddressPolicy = 'login' | 'register' | 'unauthenticated' | 'public';

/** Of a request without a principal, by address. */
export function addressLimitRequest(
  { anonymous }: ExactLimitsDesign,
  policy: AddressPolicy,
  address: string,
): LimitRequest {
  return {
    tag: `a:${address}`,
    levels: [anonymousLevel(policy, address, anonymous[policy], anonymous.windowMs)],
  };
}

export interface PasswordCheck {
  readonly email: string;
  readonly address: string;
  /** A device that has logged in to the account before, or its sessions; null: a stranger. */
  readonly device: string | null;
}

/** All sessions of an account, where one of them proves that its owner, or a thief, has been let in before. */
export const SESSIONS_AS_DEVICE = 'sessions';

/**
 * Of a password check, by its account. Strangers and known devices have budgets apart: what strangers use up locks no
 * known device out. The e-mail address is hashed, so that Redis stores none.
 */
export function accountLimitRequest(
  { anonymous }: ExactLimitsDesign,
  { email, address, device }: PasswordCheck,
): LimitRequest {
  const account = createHash('sha256').update(email.trim().toLowerCase()).digest('base64url');
  const { windowMs, loginAccount, loginPair, loginKnown, loginDevice } = anonymous;
  return {
    tag: `l:${account.slice(0, 22)}`,
    levels:
      device === null
        ? [
            anonymousLevel('login-account', 'all', loginAccount, windowMs),
            anonymousLevel('login-pair', address, loginPair, windowMs),
          ]
        : [
            anonymousLevel('login-known', 'all', loginKnown, windowMs),
            anonymousLevel('login-device', device, loginDevice, windowMs),
          ],
  };
}

const anonymousLevel = (
  policy: string,
  subject: string,
  limit: AnonymousLimits[keyof AnonymousLimits],
  windowMs: number,
): WindowLevel => ({ kind: 'window', policy, subject, limit, windowMs, weight: 1, shadow: false });

/** The sample's: one bucket per user, shared by the user's keys. Null: not limited. */
export function bucketLimitRequest(
  { user, ciKeysUnlimited }: BucketsDesign,
  principal: Principal,
): LimitRequest | null {
  if (principal.kind === 'key' && principal.key.tier === 'ci' && ciKeysUnlimited) return null;
  const { organisationId } = principal.kind === 'key' ? principal.key : principal;
  const userId = principal.kind === 'key' ? principal.key.ownerId : principal.userId;
  const { capacity, refillMs } = user[0]!;
  return {
    tag: `o:${organisationId}`,
    levels: [anonymousLevel('user', userId, capacity, refillMs)],
  };
}
