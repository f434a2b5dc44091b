/**
 * Asks the access policy for a request. Role and membership are read from PostgreSQL each time, by primary key: a role
 * that was taken away and a membership that ended have no effect from the next request on, whatever copies of the
 * session exist. Only requests about an organisation ask, so that others pay nothing.
 */
import {
  type AccessAction,
  type AccessDecision,
  type AccessPrincipal,
  type AccessResource,
  type AccessScope,
  decideAccess,
  type Role,
  scopeOf,
} from './access-policy.ts';
import { ServiceError } from './ports.ts';
import type { Call } from './route.ts';

/** To which organisation a user belongs, and as what. */
export interface Membership {
  readonly organisationId: string;
  readonly role: Role;
  readonly disabled: boolean;
}

export interface Access {
  readonly principal: AccessPrincipal;
  readonly resource: AccessResource;
  readonly scope: AccessScope;
}

/** Throws the refusal as a problem. `findResource` runs only for a role that may do the action to something. */
export type Authorize = (
  call: Pick<Call, 'userId' | 'session'>,
  action: AccessAction,
  findResource: (
    principal: AccessPrincipal,
  ) => AccessResource | null | Promise<AccessResource | null>,
) => Promise<Access>;

export const createAuthorize =
  (given: {
    /** Null when there is no such account. */
    findMembership: (userId: string) => Promise<Membership | null>;
  }): Authorize =>
  async ({ userId, session }, action, findResource) => {
    const membership = await given.findMembership(userId);
    const principal: AccessPrincipal | null =
      membership && !membership.disabled
        ? { ...membership, userId, sessionOrganisationId: session!.organisationId }
        : null;
    const scope = scopeOf(principal, action);
    if (typeof scope !== 'string') throw refusal(scope);
    const resource = await findResource(principal as AccessPrincipal);
    const decision = decideAccess(principal, action, resource);
    if (!decision.allowed) throw refusal(decision);
    return { principal: principal!, resource: resource!, scope: decision.scope };
  };

const refusal = ({ status, code, detail }: Extract<AccessDecision, { allowed: false }>) =>
  new ServiceError({
    status,
    code,
    detail,
    ...(status === 401 ? { headers: { 'www-authenticate': 'Bearer' } } : {}),
  });
