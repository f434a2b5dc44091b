/**
 * Which limits apply to an organisation: its own setting, else its tier's, else the design's. Pure. Organisations without
 * settings of their own share one object, so that a decision costs one look-up.
 */
import type { ExactLimitsDesign, TierLimits } from '../design.ts';

export type Tier = keyof ExactLimitsDesign['tiers'];
export type Policy = keyof TierLimits;
/** `shadow`: decided and counted, never a reason to refuse. `off`: not decided. */
export type LimitMode = 'enforce' | 'shadow' | 'off';

export interface ResolvedLimit {
  readonly limit: number;
  readonly mode: LimitMode;
}
export type ResolvedLimits = Readonly<Record<Policy, ResolvedLimit>>;

export interface LimitSetting extends ResolvedLimit {
  readonly scope: 'tier' | 'organisation';
  /** The tier, or the organisation's id. */
  readonly name: string;
  readonly policy: Policy;
  /**
   * `operator`, the default: what an organisation may have. `administrator`: what it wants of that, enforced as far as it
   * is less.
   */
  readonly setBy?: LimitSetter;
}

export const limitSetters = ['operator', 'administrator'] as const;
export type LimitSetter = (typeof limitSetters)[number];

export interface LimitTenant {
  readonly organisationId: string;
  readonly tier: Tier;
}

export const tiers = ['standard', 'enterprise', 'ci'] as const satisfies readonly Tier[];
export const policies = [
  'organisation',
  'user',
  'key',
  'address',
] as const satisfies readonly Policy[];
export const modes = ['enforce', 'shadow', 'off'] as const satisfies readonly LimitMode[];

export const MAX_LIMIT = 10_000;
/** Settings and tenants together; all of them are in the memory of each process. */
export const MAX_ROWS = 50_000;

/** Without `tier`: the organisation's. The same object as long as the settings are the same. */
export type LimitsOf = (organisationId: string, tier?: Tier) => ResolvedLimits;

export function resolveLimits(
  design: Pick<ExactLimitsDesign, 'tiers'>,
  settings: readonly LimitSetting[],
  tenants: readonly LimitTenant[],
): LimitsOf {
  const byScope = {
    tier: new Map<string, OwnLimits>(),
    organisation: new Map<string, OwnLimits>(),
    administrator: new Map<string, OwnLimits>(),
  };
  for (const { scope, name, policy, limit, mode, setBy } of settings) {
    const map = byScope[setBy === 'administrator' ? setBy : scope];
    const own = map.get(name) ?? {};
    own[policy] = { limit, mode };
    map.set(name, own);
  }
  const ofTier = (tier: Tier): ResolvedLimits => {
    const enforced = (policy: Policy): ResolvedLimit => ({
      limit: design.tiers[tier][policy],
      mode: 'enforce',
    });
    const fromDesign = {
      organisation: enforced('organisation'),
      user: enforced('user'),
      key: enforced('key'),
      address: enforced('address'),
    };
    return { ...fromDesign, ...byScope.tier.get(tier) };
  };
  const limits = {
    standard: ofTier('standard'),
    enterprise: ofTier('enterprise'),
    ci: ofTier('ci'),
  };
  const tierOf = new Map(tenants.map(({ organisationId, tier }) => [organisationId, tier]));
  const ofOrganisation = {
    standard: new Map<string, ResolvedLimits>(),
    enterprise: new Map<string, ResolvedLimits>(),
    ci: new Map<string, ResolvedLimits>(),
  };
  return (organisationId, tier = tierOf.get(organisationId) ?? 'standard') => {
    const own = byScope.organisation.get(organisationId);
    const wanted = byScope.administrator.get(organisationId);
    if (!own && !wanted) return limits[tier];
    let found = ofOrganisation[tier].get(organisationId);
    if (!found) {
      found = withWanted({ ...limits[tier], ...own }, wanted);
      ofOrganisation[tier].set(organisationId, found);
    }
    return found;
  };
}

type OwnLimits = Partial<Record<Policy, ResolvedLimit>>;

/** A limit that an administrator set never allows more than what the operator's limits allow. */
export const isAllowed = (wanted: ResolvedLimit, allowed: ResolvedLimit): boolean =>
  wanted.mode === 'enforce' && (allowed.mode !== 'enforce' || wanted.limit <= allowed.limit);

function withWanted(allowed: ResolvedLimits, wanted: OwnLimits = {}): ResolvedLimits {
  const resolved = { ...allowed };
  for (const policy of policies) {
    const one = wanted[policy];
    if (one && isAllowed(one, allowed[policy])) resolved[policy] = one;
  }
  return resolved;
}
