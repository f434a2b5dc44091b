import { describe, expect, it } from 'vitest';
import type { KeyCaller } from '../api-keys/contract.ts';
import type { BucketsDesign, ExactLimitsDesign } from '../design.ts';
import { findDesign } from '../lineage.ts';
import type { LimitsOf, ResolvedLimits } from '../rate-limit/settings-policy.ts';
import {
  accountQuestion,
  addressQuestion,
  bucketQuestion,
  type Caller,
  callerQuestion,
} from './question.ts';

const asUser = findDesign('turn2.after').rateLimit as ExactLimitsDesign;
const own = findDesign('turn5.after').rateLimit as ExactLimitsDesign;
const buckets = findDesign('turn5.sample').rateLimit as BucketsDesign;

const limitsOf: LimitsOf = (_organisationId, tier = 'standard') =>
  Object.fromEntries(
    Object.entries(asUser.tiers[tier]).map(([name, limit]) => [name, { limit, mode: 'enforce' }]),
  ) as unknown as ResolvedLimits;

const session: Caller = { kind: 'session', organisationId: '7', userId: '12' };
const keyOf = (more: Partial<KeyCaller> = {}): Caller => ({
  kind: 'key',
  key: {
    ...{ keyId: '3', organisationId: '7', ownerId: '12', tier: null },
    ...{ agent: 4, agents: 50, subject: 'agent:3/4' },
    ...more,
  },
});
const asked = (
  design: ExactLimitsDesign,
  caller: Caller,
  more: { routeClass?: string; limits?: LimitsOf } = {},
) =>
  callerQuestion(design, more.limits ?? limitsOf, {
    caller,
    address: '203.0.113.7',
    routeClass: more.routeClass,
    leaseId: 'one',
  });
const shown = ({ levels }: ReturnType<typeof asked>) =>
  levels.map(({ kind, policy, subject, limit }) => `${kind} ${policy} ${subject} ${limit}`);

describe('what a session asks', () => {
  it('is counted for the organisation, the user and the address, under one tag', () => {
    const question = asked(asUser, session);
    expect(question.tag).toBe('o:7');
    expect(shown(question)).toEqual([
      'window organisation 7 1000',
      'window user 12 100',
      'window address 203.0.113.7 300',
    ]);
    expect(question.levels.map((level) => level.kind !== 'lease' && level.weight)).toEqual([
      1, 1, 1,
    ]);
  });

  it('takes more units and a place where the route has a class', () => {
    const question = asked(asUser, session, { routeClass: 'search' });
    expect(shown(question)).toContain('lease search-concurrent user:12 4');
    for (const level of question.levels)
      expect(level).toMatchObject(level.kind === 'lease' ? { leaseId: 'one' } : { weight: 5 });
  });

  it('has a window for the class where the design has a number', () => {
    const design = { ...asUser, routeClasses: { search: { weight: 2, limit: 20 } } };
    expect(shown(asked(design, session, { routeClass: 'search' }))).toContain(
      'window search user:12 20',
    );
  });

  it('ignores a class the design does not know', () => {
    expect(asked(asUser, session, { routeClass: 'other' })).toEqual(asked(asUser, session));
  });

  it('leaves out what is off and marks what is in shadow', () => {
    const limits: LimitsOf = () => ({
      ...limitsOf('7'),
      user: { limit: 100, mode: 'off' },
      address: { limit: 5, mode: 'shadow' },
    });
    const { levels } = asked(asUser, session, { limits });
    expect(levels.map(({ policy, shadow }) => [policy, shadow])).toEqual([
      ['organisation', false],
      ['address', true],
    ]);
  });
});

describe('what a key asks', () => {
  it("is its owner's where keys count as users: the same counters as the owner's session", () => {
    expect(asked(asUser, keyOf())).toEqual(asked(asUser, session));
    expect(asked(asUser, keyOf(), { routeClass: 'search' })).toEqual(
      asked(asUser, session, { routeClass: 'search' }),
    );
  });

  it('is a share of the key where keys have a window of their own', () => {
    const question = asked(own, keyOf());
    expect(shown(question)).toEqual([
      'window organisation 7 1000',
      'share key 3 100',
      'window address 203.0.113.7 300',
    ]);
    expect(question.levels[1]).toMatchObject({ agent: 4, agents: 50 });
  });

  it('is one even part, lent nothing, for the bare key of enrolled agents', () => {
    const bare = keyOf({ agent: 0, subject: 'key:3' });
    expect(shown(asked(own, bare))).toEqual([
      'window organisation 7 1000',
      'share key 3 100',
      'window unenrolled 3 1',
      'window address 203.0.113.7 300',
    ]);
    expect(shown(asked(own, keyOf({ agent: 0, agents: 0 })))).not.toContain(
      'window unenrolled 3 1',
    );
  });

  it("has its own tier's numbers, on counters of its own; the organisation's stay", () => {
    expect(shown(asked(own, keyOf({ tier: 'ci' })))).toEqual([
      'window organisation 7 1000',
      'share key 3 1500',
      'window address ci:203.0.113.7 3000',
    ]);
  });

  it('is a window where a key is not shared', () => {
    expect(shown(asked({ ...own, sharing: 'none' }, keyOf()))).toContain('window key 3 100');
  });

  it('takes places per agent where agents share, else per key', () => {
    const placeOf = (design: ExactLimitsDesign) =>
      shown(asked(design, keyOf(), { routeClass: 'search' })).find((level) => /lease/.test(level));
    expect(placeOf(own)).toBe('lease search-concurrent agent:3/4 4');
    expect(placeOf({ ...own, sharing: 'none' })).toBe('lease search-concurrent key:3 4');
  });
});

describe('what nobody asks', () => {
  it.each([
    ['login', 10],
    ['register', 10],
    ['unauthenticated', 30],
  ] as const)('%s is counted by address', (policy, limit) => {
    const { tag, levels } = addressQuestion(asUser, policy, '203.0.113.7');
    expect(tag).toBe('a:203.0.113.7');
    expect(levels).toMatchObject([{ policy, subject: '203.0.113.7', limit, windowMs: 60_000 }]);
  });

  it('names no e-mail address, and one account however it is written', () => {
    const of = (email: string) => accountQuestion(asUser, { email, address: '203.0.113.7' });
    const question = of('Ann@example.test ');
    expect(question).toEqual(of('ann@example.test'));
    expect(question.tag).toMatch(/^l:[\w-]{22}$/);
    expect(shown(question)).toEqual([
      'window login-account all 30',
      'window login-pair 203.0.113.7 5',
    ]);
  });
});

describe("the sample's buckets", () => {
  it('are per user, keys too', () => {
    const question = bucketQuestion(buckets, session);
    expect(question).toMatchObject({ tag: 'o:7', levels: [{ policy: 'user', subject: '12' }] });
    expect(bucketQuestion(buckets, keyOf())).toEqual(question);
  });

  it('do not hold CI keys where those are unlimited', () => {
    expect(bucketQuestion(buckets, keyOf({ tier: 'ci' }))).toBeNull();
    expect(bucketQuestion({ ...buckets, ciKeysUnlimited: false }, keyOf({ tier: 'ci' }))).not.toBe(
      null,
    );
  });
});
