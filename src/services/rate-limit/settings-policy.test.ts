import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExactLimitsDesign } from '../design.ts';
import {
  type LimitSetting,
  type LimitTenant,
  MAX_LIMIT,
  modes,
  policies,
  resolveLimits,
  tiers,
} from './settings-policy.ts';

const limit = fc.integer({ min: 1, max: MAX_LIMIT });
const numbers = fc.record({ organisation: limit, user: limit, key: limit, address: limit });
const design: fc.Arbitrary<Pick<ExactLimitsDesign, 'tiers'>> = fc
  .record({ standard: numbers, enterprise: numbers, ci: numbers })
  .map((all) => ({ tiers: all }));
const organisation = fc.constantFrom('1', '2', '3', '44');
const setting: fc.Arbitrary<LimitSetting> = fc
  .record({
    scope: fc.constantFrom('tier' as const, 'organisation' as const),
    tier: fc.constantFrom(...tiers),
    organisation,
    policy: fc.constantFrom(...policies),
    limit,
    mode: fc.constantFrom(...modes),
  })
  .map(({ tier, organisation: id, ...rest }) => ({
    ...rest,
    name: rest.scope === 'tier' ? tier : id,
  }));
const settings = fc.uniqueArray(setting, {
  selector: ({ scope, name, policy }) => `${scope}/${name}/${policy}`,
  maxLength: 40,
});
const tenants: fc.Arbitrary<LimitTenant[]> = fc.uniqueArray(
  fc.record({ organisationId: organisation, tier: fc.constantFrom(...tiers) }),
  { selector: ({ organisationId }) => organisationId },
);
const requestedTier = fc.option(fc.constantFrom(...tiers), { nil: undefined });

describe('which limit holds', () => {
  it("is the organisation's, else its tier's, else the design's", () => {
    fc.assert(
      fc.property(
        design,
        settings,
        tenants,
        organisation,
        requestedTier,
        (from, set, of, id, requestedTier) => {
          const resolved = resolveLimits(from, set, of)(id, requestedTier);
          const tier =
            requestedTier ?? of.find((one) => one.organisationId === id)?.tier ?? 'standard';
          for (const policy of policies) {
            const found = (scope: string, name: string) =>
              set.find((one) => one.scope === scope && one.name === name && one.policy === policy);
            const expected = found('organisation', id) ??
              found('tier', tier) ?? { limit: from.tiers[tier][policy], mode: 'enforce' };
            const { limit: wanted, mode } = expected;
            expect(resolved[policy]).toEqual({ limit: wanted, mode });
          }
        },
      ),
    );
  });

  it("is never more than the operator's settings allow, whatever an administrator set", () => {
    const ofAdministrator = fc
      .record({ name: organisation, policy: fc.constantFrom(...policies), limit })
      .map(
        (one): LimitSetting => ({
          ...one,
          scope: 'organisation',
          mode: 'enforce',
          setBy: 'administrator',
        }),
      );
    const wanted = fc.uniqueArray(ofAdministrator, {
      selector: ({ name, policy }) => `${name}/${policy}`,
    });
    fc.assert(
      fc.property(
        design,
        settings,
        wanted,
        tenants,
        organisation,
        requestedTier,
        (from, set, own, of, id, tier) => {
          const allowed = resolveLimits(from, set, of)(id, tier);
          const resolved = resolveLimits(from, [...set, ...own], of)(id, tier);
          for (const policy of policies) {
            const one = own.find(({ name, policy: of }) => name === id && of === policy);
            const isLess =
              one !== undefined &&
              (allowed[policy].mode !== 'enforce' || one.limit <= allowed[policy].limit);
            const expected = isLess ? { limit: one.limit, mode: 'enforce' } : allowed[policy];
            expect(resolved[policy]).toEqual(expected);
          }
        },
      ),
    );
  });

  it('is shared by all that have none of their own', () => {
    const tier = { organisation: 4, user: 3, key: 2, address: 1 };
    const of = resolveLimits({ tiers: { standard: tier, enterprise: tier, ci: tier } }, [], []);
    expect(of('1')).toBe(of('2'));
    expect(of('1', 'ci')).not.toBe(of('1'));
  });
});
