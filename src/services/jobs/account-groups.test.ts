import { describe, expect, it } from 'vitest';
import { ConfigError } from '../gateway/process-config.ts';
import { clientAddress, forgedAddress, readGroups } from './account-groups.ts';

const read = (...groups: readonly unknown[]) => readGroups(groups, { users: 100 });
const people = { name: 'people', kind: 'sessions', count: 10 };
const builds = { name: 'builds', kind: 'agents', agents: 50 };

describe('groups of accounts', () => {
  it('take users one after the other, or from firstUser', () => {
    const groups = read(
      people,
      { name: 'bots', kind: 'keys', count: 3, keysPerUser: 20 },
      builds,
      { name: 'again', kind: 'sessions', count: 2, firstUser: 5 },
      { name: 'stolen', kind: 'keys', keyOf: 'builds' },
      { name: 'greedy', kind: 'agents', agents: 1, keyOf: 'builds' },
      { name: 'after', kind: 'sessions' },
    );
    expect(
      groups.map(({ name, firstUser, count, perUser }) => [name, firstUser, count, perUser]),
    ).toEqual([
      ['people', 1, 10, 1],
      ['bots', 11, 3, 20],
      ['builds', 14, 1, 50],
      ['again', 5, 2, 1],
      ['stolen', 14, 1, 1],
      ['greedy', 14, 1, 1],
      ['after', 7, 1, 1],
    ]);
    expect(groups[4]!.keyOf).toBe(groups[2]);
    expect(groups[0]).toMatchObject({ tier: null, limits: {}, addresses: null, forged: false });
    expect(groups[0]!.organisationOf).toBeNull();
    expect(read({ ...people, oneOrganisation: true })[0]!.organisationOf).toBe(
      groups[0]!.firstUser,
    );
  });

  it('may share one organisation, also with an earlier group', () => {
    const groups = read(
      people,
      { name: 'team', kind: 'sessions', count: 3, oneOrganisation: true },
      { name: 'hog', kind: 'sessions' },
      { name: 'colleagues', kind: 'sessions', count: 2, organisationOf: 'hog' },
      { name: 'guests', kind: 'sessions', organisationOf: 'team' },
    );
    expect(groups.map(({ organisationOf }) => organisationOf)).toEqual([null, 11, null, 14, 11]);
  });

  it.each([
    [[null], 'params.groups[0] is not an object'],
    [[{ kind: 'keys' }], 'params.groups[0].name must be a string'],
    [[people, { ...people }], "params.groups[1].name 'people' is taken"],
    [[{ ...people, kind: 'robots' }], 'kind must be one of sessions, keys, agents'],
    [[{ ...people, count: 0 }], 'params.groups[0].count must be 1 to'],
    [[{ ...people, count: '3' }], 'params.groups[0].count must be a whole number'],
    [[{ ...people, cuont: 3 }], 'params.groups[0].cuont is not known; known are name'],
    [[{ ...people, count: 101 }], 'needs users 1 to 101; there are 100'],
    [[{ ...people, firstUser: 95 }], 'needs users 95 to 104'],
    [[{ ...builds, agents: 201 }], 'agents must be 1 to 200, not 201'],
    [[{ name: 'builds', kind: 'agents' }], 'agents must be a whole number'],
    [[{ ...people, tier: 'gold' }], 'tier must be one of standard, enterprise, ci'],
    [[{ ...people, limits: { user: -1 } }], 'params.groups[0].limits.user must be a whole number'],
    [[{ ...people, limits: { user: 10_001 } }], 'params.groups[0].limits.user must be 1 to 10000'],
    [[{ ...people, limits: { users: 10 } }], 'params.groups[0].limits.users is not known'],
    [[{ ...people, addresses: 60_001 }], 'addresses must be 1 to 60000'],
    [[{ ...people, forged: 'yes' }], 'forged must be true or false'],
    [[{ name: 'k', kind: 'keys', count: 100, keysPerUser: 1_000 }], 'has 100000 accounts'],
    [[{ ...people, sessionsPerUser: 0 }], 'params.groups[0].sessionsPerUser must be 1 to 100'],
    [
      [{ ...people, ending: { by: 'age', fromMs: 1, toMs: 2 } }],
      'by must be one of absolute, idle',
    ],
    [[{ ...people, ending: { by: 'idle', fromMs: 3, toMs: 2 } }], 'fromMs must be at most toMs'],
    [[{ ...people, ending: { by: 'idle', fromMs: 3 } }], 'params.groups[0].ending.toMs must be'],
    [
      [{ ...builds, ending: { by: 'idle', fromMs: 1, toMs: 2 } }],
      'only sessions end by themselves',
    ],
    [[{ ...people, administratedBy: 'bosses' }], "must name an earlier group, not 'bosses'"],
    [
      [{ name: 'k', kind: 'keys', keyOf: 'builds' }],
      "keyOf must name an earlier group, not 'builds'",
    ],
    [[people, { name: 'k', kind: 'keys', keyOf: 'people' }], 'a group of sessions has no keys'],
    [[builds, { ...people, keyOf: 'builds' }], 'a group of sessions has no keys'],
    [[{ ...people, organisationOf: 'team' }], 'organisationOf must name an earlier group'],
    [
      [builds, { name: 'k', kind: 'keys', keyOf: 'builds', oneOrganisation: true }],
      "params.groups[1].oneOrganisation is that of 'builds'",
    ],
    [
      [builds, { name: 'k', kind: 'keys', keyOf: 'builds', count: 2 }],
      "params.groups[1].count is that of 'builds'",
    ],
  ])('say what is wrong: %#', (groups, message) => {
    expect(() => read(...groups)).toThrow(ConfigError);
    expect(() => read(...groups)).toThrow(message);
  });

  it('come from ranges of their own', () => {
    expect(clientAddress(0, 0, 7, false)).toBe('10.1.0.1');
    expect(clientAddress(2, 599, 7, false)).toBe('10.3.2.88');
    expect(clientAddress(2, 599, 7, true)).toBe('fd00:3:0:258::8');
    expect(forgedAddress(258)).toBe('198.18.1.2');
    const all = [0, 249].flatMap((group) =>
      Array.from({ length: 60_000 }, (_, place) => clientAddress(group, place, place, false)),
    );
    expect(new Set(all).size).toBe(120_000);
    expect(all.every((address) => address.split('.').every((part) => Number(part) < 256))).toBe(
      true,
    );
  });
});
