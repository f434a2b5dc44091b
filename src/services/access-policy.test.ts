/** Every role against every action and whose resource it is: the whole table, written out. */
import { describe, expect, it } from 'vitest';
import {
  type AccessAction,
  type AccessPrincipal,
  type AccessResource,
  decideAccess,
  type Role,
  roles,
} from './access-policy.ts';

const principal = (role: Role, more: Partial<AccessPrincipal> = {}): AccessPrincipal => ({
  userId: '1',
  role,
  organisationId: '10',
  sessionOrganisationId: '10',
  ...more,
});

const user = (ownerId: string, organisationId: string, role: Role = 'member') =>
  ({ kind: 'user', ownerId, organisationId, role }) as const;
const resources = {
  self: user('1', '10'),
  colleague: user('2', '10'),
  operator: user('3', '10', 'operator'),
  foreign: user('4', '20'),
  'foreign operator': user('5', '20', 'operator'),
  nobody: null,
  'own organisation': { kind: 'organisation', organisationId: '10' },
  'other organisation': { kind: 'organisation', organisationId: '20' },
  'no organisation': null,
  platform: { kind: 'platform', organisationId: null },
} as const satisfies Record<string, AccessResource | null>;

/** Member, auditor, administrator, operator. */
type Row = readonly [string, string, string, string];

const say = (role: Role, action: AccessAction, resource: AccessResource | null) => {
  const decided = decideAccess(principal(role), action, resource);
  return decided.allowed ? decided.scope : `${decided.status} ${decided.code}`;
};
const M = '403 not-administrator';
const O = '403 not-operator';
const A = '403 not-auditor';
const NO_USER = '404 user-not-found';
const NO_ORGANISATION = '404 organisation-not-found';

const onUsers: Record<string, Row> = {
  self: [M, M, 'organisation', 'platform'],
  colleague: [M, M, 'organisation', 'platform'],
  operator: [M, M, O, 'platform'],
  foreign: [M, M, NO_USER, 'platform'],
  'foreign operator': [M, M, NO_USER, 'platform'],
  nobody: [M, M, NO_USER, NO_USER],
};
const onLimits: Record<string, Row> = {
  'own organisation': [M, M, 'organisation', 'platform'],
  'other organisation': [M, M, NO_ORGANISATION, 'platform'],
  'no organisation': [M, M, NO_ORGANISATION, NO_ORGANISATION],
  platform: [M, M, O, 'platform'],
};
const table: Record<AccessAction, Record<string, Row>> = {
  'log.read': {
    self: ['own', 'organisation', 'organisation', 'organisation'],
    colleague: [A, 'organisation', 'organisation', 'organisation'],
    foreign: [NO_USER, NO_USER, NO_USER, NO_USER],
    'own organisation': ['own', 'organisation', 'organisation', 'organisation'],
  },
  'platform-log.read': {
    foreign: [O, O, O, 'platform'],
    platform: [O, O, O, 'platform'],
  },
  'user.end-sessions': onUsers,
  'user.disable': onUsers,
  'user.revoke-keys': onUsers,
  'user.assign-role': onUsers,
  'user.remove': onUsers,
  'limits.list': onLimits,
  'limits.set': onLimits,
  'limits.set-tier': {
    'own organisation': [O, O, O, 'platform'],
    'other organisation': [O, O, O, 'platform'],
    'no organisation': [O, O, O, NO_ORGANISATION],
  },
};

describe('the access policy', () => {
  const cases = Object.entries(table).flatMap(([action, rows]) =>
    Object.entries(rows).map(
      ([resource, row]) =>
        [action as AccessAction, resource as keyof typeof resources, row] as const,
    ),
  );
  it.each(cases)('%s of %s', (action, resource, row) => {
    expect(roles.map((role) => say(role, action, resources[resource]))).toEqual(row);
  });

  it('refuses every action of an account that is gone, or of a session from before the user left', () => {
    const left = principal('administrator', { organisationId: '20' });
    for (const action of Object.keys(table) as AccessAction[])
      for (const resource of Object.values(resources))
        for (const caller of [null, left, { ...left, role: 'operator' as const }])
          expect(decideAccess(caller, action, resource)).toMatchObject({
            allowed: false,
            status: 401,
            code: 'membership-ended',
          });
  });

  it('answers for a resource elsewhere exactly what it answers for one that does not exist', () => {
    for (const role of ['member', 'auditor', 'administrator'] as const)
      for (const action of Object.keys(table) as AccessAction[]) {
        const elsewhere =
          resources[action.startsWith('limits.') ? 'other organisation' : 'foreign'];
        expect(decideAccess(principal(role), action, elsewhere)).toEqual(
          decideAccess(principal(role), action, null),
        );
      }
  });
});
