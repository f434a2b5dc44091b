/**
 * Who may do what to whom: one table of roles and actions, and the rules about whose resource it is. Pure. Routes ask it
 * through `Authorize` (authorization.ts) and compare no role themselves.
 *
 * A target outside the organisation of the caller is answered as one that does not exist, with 404; a role that may not
 * do the action at all gets its 403 before any target is read, so neither tells what exists elsewhere.
 */

/** `administrator`: of one organisation. `operator`: of the platform; appointed in the database, never over HTTP. */
export const roles = ['member', 'auditor', 'administrator', 'operator'] as const;
export type Role = (typeof roles)[number];

export interface AccessPrincipal {
  readonly userId: string;
  readonly role: Role;
  /** Of which the user is a member now. */
  readonly organisationId: string;
  /** Of which the user was a member when the session began. */
  readonly sessionOrganisationId: string;
}

export type AccessAction =
  | 'log.read'
  | 'platform-log.read'
  | 'user.end-sessions'
  | 'user.disable'
  | 'user.revoke-keys'
  | 'user.assign-role'
  | 'user.remove'
  | 'limits.list'
  | 'limits.set'
  | 'limits.set-tier';

/** What an action is about. A user, an event or a log has an owner; the platform's own settings have no organisation. */
export interface AccessResource {
  readonly kind: 'user' | 'organisation' | 'log' | 'platform';
  /** Null: the platform's. */
  readonly organisationId: string | null;
  readonly ownerId?: string;
  /** Of a user. */
  readonly role?: Role;
}

/** `own`: what the caller did. `organisation`: the caller's. `platform`: every organisation, and the platform's settings. */
export type AccessScope = 'own' | 'organisation' | 'platform';

export type AccessDecision =
  | { readonly allowed: true; readonly scope: AccessScope }
  | {
      readonly allowed: false;
      readonly status: 401 | 403 | 404;
      readonly code: string;
      readonly detail: string;
    };

type Grant = Readonly<Record<Role, AccessScope | null>>;

const administration: Grant = {
  member: null,
  auditor: null,
  administrator: 'organisation',
  operator: 'platform',
};
const operation: Grant = { member: null, auditor: null, administrator: null, operator: 'platform' };

/** An operator runs the platform and reads no customer's log: only that of the own organisation. */
const grants: Readonly<Record<AccessAction, Grant>> = {
  'log.read': {
    member: 'own',
    auditor: 'organisation',
    administrator: 'organisation',
    operator: 'organisation',
  },
  'platform-log.read': operation,
  'user.end-sessions': administration,
  'user.disable': administration,
  'user.revoke-keys': administration,
  'user.assign-role': administration,
  'user.remove': administration,
  'limits.list': administration,
  'limits.set': administration,
  'limits.set-tier': operation,
};

/** `principal` null: there is no such account, or it is disabled. `resource` null: it does not exist. */
export function decideAccess(
  principal: AccessPrincipal | null,
  action: AccessAction,
  resource: AccessResource | null,
): AccessDecision {
  const scope = scopeOf(principal, action);
  if (typeof scope !== 'string') return scope;
  if (resource === null) return notFound(action);
  const { organisationId, ownerId, role } = resource;
  const { userId, role: ownRole, organisationId: ownOrganisationId } = principal!;
  if (scope !== 'platform') {
    if (organisationId === null) return needsRole('operator');
    if (organisationId !== ownOrganisationId) return notFound(action);
  }
  if (scope === 'own' && ownerId !== undefined && ownerId !== userId) return needsRole('auditor');
  // Otherwise an administrator of the operators' own organisation had power over the platform.
  if (role === 'operator' && ownRole !== 'operator') return needsRole('operator');
  return { allowed: true, scope };
}

/** What the role alone decides, before a resource is read: the scope, or the refusal. */
export function scopeOf(
  principal: AccessPrincipal | null,
  action: AccessAction,
): AccessScope | Extract<AccessDecision, { allowed: false }> {
  if (principal === null || principal.organisationId !== principal.sessionOrganisationId)
    return membershipEnded;
  const grant = grants[action];
  return grant[principal.role] ?? needsRole(grant.administrator ? 'administrator' : 'operator');
}

const deny = (
  status: 401 | 403 | 404,
  code: string,
  detail: string,
): Extract<AccessDecision, { allowed: false }> => ({ allowed: false, status, code, detail });

const membershipEnded = deny(
  401,
  'membership-ended',
  'Log in again: this session began in an organisation to which your account no longer belongs.',
);

const missingRoles = {
  auditor: deny(
    403,
    'not-auditor',
    'You may read your own events. Those of colleagues need the role auditor.',
  ),
  administrator: deny(
    403,
    'not-administrator',
    'This needs the role administrator of your organisation.',
  ),
  operator: deny(403, 'not-operator', 'This needs the role operator of the platform.'),
};
const needsRole = (role: keyof typeof missingRoles) => missingRoles[role];

const notFound = (action: AccessAction) =>
  action.startsWith('limits.')
    ? deny(404, 'organisation-not-found', 'There is no organisation with this id.')
    : deny(404, 'user-not-found', 'There is no user with this id.');
