import { describe, expect, it } from 'vitest';
import type { KeyPrincipal } from '../../api-keys/contract.ts';
import type { BucketsDesign, ExactLimitsDesign } from '../../design.ts';
import { findDesign } from '../../lineage.ts';
import type { LimitsOf, ResolvedLimits } from '../../rate-limit/settings-policy.ts';
import {
  accountLimitRequest,
  addressLimitRequest,
  bucketLimitRequest,
  type Principal,
  principalLimitRequest,
} from './limit-request.ts';

const keysAsUsers = findDesign('turn2.after').rateLimit as ExactLimitsDesign;
const keysWithWindow = findDesign('turn5.after').rateLimit as ExactLimitsDesign;
const buckets = findDesign('turn5.sample').rateLimit as BucketsDesign;

const limitsOf: LimitsOf = (_organisationId, tier = 'standard') =>
  Object.fromEntries(
    Object.entries(keysAsUsers.tiers[tier]).map(([name, limit]) => [
      name,
      { limit, mode: 'enforce' },
    ]),
  ) as unknown as ResolvedLimits;

const session: Principal = { kind: 'session', organisationId: '7', userId: '12' };
const keyOf = (more: Partial<KeyPrincipal> = {}): Principal => ({
  kind: 'key',
  key: {
    keyId: '3',
    organisationId: '7',
    ownerId: '12',
    tier: null,
    agent: 4,
    agents: 50,
    subject: 'agent:3/4',
    ...more,
  },
});
const requestOf = (
  design: ExactLimitsDesign,
  principal: Principal,
  more: { routeClass?: string; limits?: LimitsOf } = {},
) =>
  principalLimitRequest(design, more.limits ?? limitsOf, {
    principal,
    address: '203.0.113.7',
    routeClass: more.routeClass,
    slotId: 'one',
  });
const levelTexts = ({ levels }: ReturnType<typeof requestOf>) =>
  levels.map(({ kind, policy, subject, limit }) => `${kind} ${policy} ${subject} ${limit}`);

describe('the limit request of a session', () => {
  it('counts for the organisation, the user and the address, under one hash tag', () => {
    const request = requestOf(keysAsUsers, session);
    expect(request.tag).toBe('o:7');
    expect(levelTexts(request)).toEqual([
      'window organisation 7 1000',
      'window user 12 100',
      'window address 203.0.113.7 300',
    ]);
    expect(request.levels.map((level) => level.kind !== 'lease' && level.weight)).toEqual([
      1, 1, 1,
    ]);
  });

  it('takes more units and a concurrency slot where the route has a class', () => {
    const request = requestOf(keysAsUsers, session, { routeClass: 'search' });
    expect(levelTexts(request)).toContain('lease search-concurrent user:12 4');
    for (const level of request.levels)
      expect(level).toMatchObject(level.kind === 'lease' ? { slotId: 'one' } : { weight: 5 });
  });

  it('has a window for the class where the design limits it', () => {
    const design = { ...keysAsUsers, routeClasses: { search: { weight: 2, limit: 20 } } };
    expect(levelTexts(requestOf(design, session, { routeClass: 'search' }))).toContain(
      'window search user:12 20',
    );
  });

  it('ignores a class the design does not know', () => {
    expect(requestOf(keysAsUsers, session, { routeClass: 'other' })).toEqual(
      requestOf(keysAsUsers, session),
    );
  });

  it('leaves out levels that are off and marks those in shadow mode', () => {
    const limits: LimitsOf = () => ({
      ...limitsOf('7'),
      user: { limit: 100, mode: 'off' },
      address: { limit: 5, mode: 'shadow' },
    });
    const { levels } = requestOf(keysAsUsers, session, { limits });
    expect(levels.map(({ policy, shadow }) => [policy, shadow])).toEqual([
      ['organisation', false],
      ['address', true],
    ]);
  });
});

describe('the limit request of a key', () => {
  it("uses the counters of the owner's sessions where keys count as users", () => {
    expect(requestOf(keysAsUsers, keyOf())).toEqual(requestOf(keysAsUsers, session));
    expect(requestOf(keysAsUsers, keyOf(), { routeClass: 'search' })).toEqual(
      requestOf(keysAsUsers, session, { routeClass: 'search' }),
    );
  });

  it('has a fair-share level where keys have a window of their own', () => {
    const request = requestOf(keysWithWindow, keyOf());
    expect(levelTexts(request)).toEqual([
      'window organisation 7 1000',
      'share key 3 100',
      'window address 203.0.113.7 300',
    ]);
    expect(request.levels[1]).toMatchObject({ agent: 4, agents: 50 });
  });

  it('limits the bare key of enrolled agents to one even part, without borrowing', () => {
    const bare = keyOf({ agent: 0, subject: 'key:3' });
    expect(levelTexts(requestOf(keysWithWindow, bare))).toEqual([
      'window organisation 7 1000',
      'share key 3 100',
      'window unenrolled 3 1',
      'window address 203.0.113.7 300',
    ]);
    expect(levelTexts(requestOf(keysWithWindow, keyOf({ agent: 0, agents: 0 })))).not.toContain(
      'window unenrolled 3 1',
    );
  });

  it("has the limits of its own tier, on counters of its own, beside the organisation's", () => {
    expect(levelTexts(requestOf(keysWithWindow, keyOf({ tier: 'ci' })))).toEqual([
      'window organisation 7 1000',
      'share key 3 1500',
      'window address ci:203.0.113.7 3000',
    ]);
  });

  it('has a window level where the key is not shared', () => {
    expect(levelTexts(requestOf({ ...keysWithWindow, sharing: 'none' }, keyOf()))).toContain(
      'window key 3 100',
    );
  });

  it('takes concurrency slots per agent where agents share the key, else per key', () => {
    const slotLevelOf = (design: ExactLimitsDesign) =>
      levelTexts(requestOf(design, keyOf(), { routeClass: 'search' })).find((level) =>
        /lease/.test(level),
      );
    expect(slotLevelOf(keysWithWindow)).toBe('lease search-concurrent agent:3/4 4');
    expect(slotLevelOf({ ...keysWithWindow, sharing: 'none' })).toBe(
      'lease search-concurrent key:3 4',
    );
  });
});

describe('the limit request without a principal', () => {
  it.each([
    ['login', 10],
    ['register', 10],
    ['unauthenticated', 30],
    ['public', 60],
  ] as const)('%s is counted by address', (policy, limit) => {
    const { tag, levels } = addressLimitRequest(keysAsUsers, policy, '203.0.113.7');
    expect(tag).toBe('a:203.0.113.7');
    expect(levels).toMatchObject([{ policy, subject: '203.0.113.7', limit, windowMs: 60_000 }]);
  });

  it('hashes the e-mail address, ignoring case and surrounding spaces', () => {
    const of = (email: string) =>
      accountLimitRequest(keysAsUsers, { email, address: '203.0.113.7', device: null });
    const request = of('Ann@example.test ');
    expect(request).toEqual(of('ann@example.test'));
    expect(request.tag).toMatch(/^l:[\w-]{22}$/);
    expect(levelTexts(request)).toEqual([
      'window login-account all 30',
      'window login-pair 203.0.113.7 5',
    ]);
  });

  it('counts a known device of the account apart from strangers, under the same tag', () => {
    const check = { email: 'ann@example.test', address: '203.0.113.7' };
    const known = accountLimitRequest(keysAsUsers, { ...check, device: 'd' });
    expect(known.tag).toBe(accountLimitRequest(keysAsUsers, { ...check, device: null }).tag);
    expect(levelTexts(known)).toEqual(['window login-known all 30', 'window login-device d 5']);
  });
});

describe("the sample's buckets", () => {
  it('are per user, and keys use the bucket of their owner', () => {
    const request = bucketLimitRequest(buckets, session);
    expect(request).toMatchObject({ tag: 'o:7', levels: [{ policy: 'user', subject: '12' }] });
    expect(bucketLimitRequest(buckets, keyOf())).toEqual(request);
  });

  it('do not limit CI keys where those are unlimited', () => {
    expect(bucketLimitRequest(buckets, keyOf({ tier: 'ci' }))).toBeNull();
    expect(
      bucketLimitRequest({ ...buckets, ciKeysUnlimited: false }, keyOf({ tier: 'ci' })),
    ).not.toBe(null);
  });
});
