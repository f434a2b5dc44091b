/**
 * Other people's accounts over HTTP: end the sessions of a user, disable the account, change the role, remove the user
 * from the organisation. An administrator does it to users of the own organisation, an operator to any; each change is
 * on record with what was before, in the organisation of the user too.
 */
import { type AccessAction, type Role, roles } from '../../access-policy.ts';
import { ServiceError } from '../../ports.ts';
import type { JsonSchema, Route } from '../../route.ts';
import type { Origin, UserStore } from '../contract.ts';
import { originOf, type SessionServices } from './account-routes.ts';

export const revokedCountSchema: JsonSchema = {
  type: 'object',
  required: ['revoked'],
  properties: { revoked: { type: 'integer', description: 'Sessions ended by this request.' } },
};

const userParams: JsonSchema = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', pattern: '^[1-9][0-9]{0,17}$' } },
};

/** Operators are appointed in the database: a stolen session of one makes no other. */
type AssignableRole = Exclude<Role, 'operator'>;
const assignableRoles = roles.filter((role): role is AssignableRole => role !== 'operator');

const roleSchema: JsonSchema = {
  type: 'object',
  required: ['role'],
  additionalProperties: false,
  properties: { role: { type: 'string', enum: assignableRoles } },
};

export const administrationRoutes = (given: SessionServices): readonly Route[] => [
  endingRoute(given, {
    path: 'revoke-sessions',
    summary: 'End all sessions of a user',
    action: 'session.revoke-user',
    asks: 'user.end-sessions',
    run: (userId, actorId, origin) =>
      given.sessions.revokeAll(userId, { id: actorId, reason: 'administrator' }, origin),
  }),
  endingRoute(given, {
    path: 'disable',
    summary: 'Disable an account and end all its sessions',
    action: 'user.disable',
    asks: 'user.disable',
    run: (userId, actorId, origin) => given.sessions.disable(userId, actorId, origin),
  }),
  roleRoute(given),
  removeRoute(given),
];

interface EndingAction {
  readonly path: string;
  readonly summary: string;
  readonly action: string;
  readonly asks: AccessAction;
  /** Returns how many sessions ended. */
  run(userId: string, actorId: string, origin: Origin): Promise<number>;
}

const endingRoute = (
  { users, authorize }: SessionServices,
  { path, summary, action, asks, run }: EndingAction,
): Route => ({
  method: 'POST',
  url: `/admin/users/:id/${path}`,
  summary: `${summary}; for administrators of the organisation and operators`,
  access: 'session',
  action,
  resourceType: 'user',
  params: userParams,
  responses: { 200: revokedCountSchema },
  problems: [404],
  async handle(call) {
    const id = call.params.id!;
    await authorize(call, asks, () => findUser(users, id));
    return { status: 200, body: { revoked: await run(id, call.userId, originOf(call)) } };
  },
});

const roleRoute = ({ users, authorize }: SessionServices): Route => ({
  method: 'PUT',
  url: '/admin/users/:id/role',
  summary: 'Change the role of a user; for administrators of the organisation and operators',
  access: 'session',
  action: 'user.assign-role',
  resourceType: 'user',
  params: userParams,
  body: roleSchema,
  responses: { 200: roleSchema },
  problems: [404],
  async handle(call) {
    const userId = call.params.id!;
    const role = call.body.role as AssignableRole;
    const { resource } = await authorize(call, 'user.assign-role', () => findUser(users, userId));
    const organisationId = resource.organisationId!;
    // Null: the user left it a moment ago.
    if (await users.assignRole({ userId, organisationId }, role, call.recordIn))
      return { status: 200, body: { role } };
    throw userNotFound();
  },
});

const removeRoute = ({ users, sessions, authorize }: SessionServices): Route => ({
  method: 'POST',
  url: '/admin/users/:id/remove',
  summary:
    'Take a user out of the organisation; sessions and API keys end; for its administrators and operators',
  access: 'session',
  action: 'user.remove',
  resourceType: 'user',
  params: userParams,
  responses: { 204: null },
  problems: [404],
  async handle(call) {
    const userId = call.params.id!;
    const { resource } = await authorize(call, 'user.remove', () => findUser(users, userId));
    const organisationId = resource.organisationId!;
    const actor = { id: call.userId, reason: 'membership-ended' };
    const endSessions = () =>
      sessions.revokeAll(userId, actor, { ...originOf(call), recordIn: async () => {} });
    // Before: if the end of a copy cannot be confirmed, the user is still a member, and the call may be repeated.
    await endSessions();
    if (!(await users.remove({ userId, organisationId }, call.recordIn))) throw userNotFound();
    // And after: the trigger ended the rows of logins in between, which may have copies.
    await endSessions();
    return { status: 204 };
  },
});

const userNotFound = () =>
  new ServiceError({
    status: 404,
    code: 'user-not-found',
    detail: 'There is no user with this id.',
  });

async function findUser(users: UserStore, id: string) {
  const found = await users.findMembership(id);
  return found && { kind: 'user' as const, ownerId: id, ...found };
}
