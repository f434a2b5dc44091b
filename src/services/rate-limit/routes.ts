/**
 * Limits at run time, for administrators: list them, set or remove one of a tier or an organisation, change an
 * organisation's tier. A change is in effect here when it is answered, in the other processes about a second later.
 */
import { ServiceError } from '../ports.ts';
import type { Call, JsonSchema, Route } from '../route.ts';
import type { LimitSettings } from './settings.ts';
import { type LimitSettingsChanges, settingId } from './settings-changes.ts';
import {
  type LimitSetting,
  MAX_LIMIT,
  modes,
  policies,
  type Tier,
  tiers,
} from './settings-policy.ts';

export interface LimitRouteServices {
  readonly changes: LimitSettingsChanges;
  readonly settings: Pick<LimitSettings, 'refresh'>;
  /** The user's current role; null when there is no such user, or the account is disabled. */
  credentials(userId: string): Promise<{ readonly role: string } | null>;
}

const PAGE_SIZE = 500;
const ACTION = 'rate-limit';

const limit: JsonSchema = { type: 'integer', minimum: 1, maximum: MAX_LIMIT };
const mode: JsonSchema = {
  type: 'string',
  enum: modes,
  description: 'shadow: decided and counted, never a reason to refuse. off: not decided.',
};
const organisationId = { type: 'string', pattern: '^[1-9][0-9]{0,17}$' };
const set: JsonSchema = {
  type: 'object',
  required: ['limit', 'mode'],
  additionalProperties: false,
  properties: { limit, mode },
};
const setTier: JsonSchema = {
  type: 'object',
  required: ['tier'],
  additionalProperties: false,
  properties: { tier: { type: 'string', enum: tiers } },
};
const listed: JsonSchema = {
  type: 'object',
  required: ['scope', 'name', 'policy'],
  properties: {
    scope: { type: 'string', enum: ['tier', 'organisation'] },
    name: { type: 'string', description: 'The tier, or the id of the organisation.' },
    policy: { type: 'string', enum: [...policies, 'tier'] },
    limit: { type: 'integer', nullable: true, description: 'Units in any window.' },
    mode: { type: 'string', nullable: true },
    tier: { type: 'string', nullable: true, description: 'Where the policy is tier.' },
    changedAt: { type: 'string', nullable: true },
  },
};
const settingParams: JsonSchema = {
  type: 'object',
  required: ['scope', 'name', 'policy'],
  properties: {
    scope: { type: 'string', enum: ['tier', 'organisation'] },
    name: { type: 'string', pattern: `^(${tiers.join('|')}|[1-9][0-9]{0,17})$` },
    policy: { type: 'string', enum: policies },
  },
};

export function limitRoutes(services: LimitRouteServices): readonly Route[] {
  return [listRoute(services), setRoute(services), removeRoute(services), tierRoute(services)];
}

const listRoute = (services: LimitRouteServices): Route => ({
  method: 'GET',
  url: '/admin/rate-limits',
  summary: `Limits that differ from the design's, ${PAGE_SIZE} a page; needs the role administrator`,
  access: 'session',
  action: `${ACTION}.list`,
  resourceType: ACTION,
  onAuditDown: 'local-log',
  query: {
    type: 'object',
    additionalProperties: false,
    properties: { cursor: { type: 'string', maxLength: 60 } },
  },
  responses: {
    200: {
      type: 'object',
      required: ['items', 'next'],
      properties: {
        items: { type: 'array', items: listed },
        next: { type: 'string', nullable: true, description: 'Cursor of the next page.' },
      },
    },
  },
  async handle({ userId, query }) {
    await requireAdministrator(services, userId);
    const cursor = (query.cursor as string | undefined) ?? null;
    return { status: 200, body: { ...(await services.changes.list(cursor, PAGE_SIZE)) } };
  },
});

const setRoute = (services: LimitRouteServices): Route => ({
  method: 'PUT',
  url: '/admin/rate-limits/:scope/:name/:policy',
  summary: 'Set a limit of a tier or an organisation; needs the role administrator',
  access: 'session',
  action: `${ACTION}.set`,
  resourceType: ACTION,
  params: settingParams,
  body: set,
  responses: { 200: listed },
  problems: [409],
  async handle(call) {
    await requireAdministrator(services, call.userId);
    const setting = { ...settingOf(call), ...(call.body as Pick<LimitSetting, 'limit' | 'mode'>) };
    await services.changes.write(setting, call.recordIn);
    await services.settings.refresh();
    return { status: 200, body: setting };
  },
});

const removeRoute = (services: LimitRouteServices): Route => ({
  method: 'DELETE',
  url: '/admin/rate-limits/:scope/:name/:policy',
  summary:
    'Take a limit away, so that the next wider one holds; may be repeated; needs the role administrator',
  access: 'session',
  action: `${ACTION}.remove`,
  resourceType: ACTION,
  params: settingParams,
  responses: { 204: null },
  async handle(call) {
    await requireAdministrator(services, call.userId);
    await services.changes.remove(settingOf(call), call.recordIn);
    await services.settings.refresh();
    return { status: 204 };
  },
});

const tierRoute = (services: LimitRouteServices): Route => ({
  method: 'PUT',
  url: '/admin/rate-limits/organisation/:name/tier',
  summary: 'Give an organisation another tier; needs the role administrator',
  access: 'session',
  action: `${ACTION}.tier`,
  resourceType: ACTION,
  params: { type: 'object', required: ['name'], properties: { name: organisationId } },
  body: setTier,
  responses: { 200: listed },
  problems: [409],
  async handle({ userId, params, body, auditContext, recordIn }) {
    await requireAdministrator(services, userId);
    const name = params.name!;
    const tier = body.tier as Tier;
    auditContext.resourceId = settingId({ scope: 'organisation', name, policy: 'tier' });
    await services.changes.write({ organisationId: name, tier }, recordIn);
    await services.settings.refresh();
    return { status: 200, body: { scope: 'organisation', name, policy: 'tier', tier } };
  },
});

/** Also sets its id in the audit context. */
function settingOf({
  params,
  auditContext,
}: Call): Pick<LimitSetting, 'scope' | 'name' | 'policy'> {
  const { scope, name, policy } = params as unknown as Pick<
    LimitSetting,
    'scope' | 'name' | 'policy'
  >;
  if ((scope === 'tier') !== tiers.some((tier) => tier === name))
    throw new ServiceError({
      status: 400,
      code: 'invalid-limit-name',
      detail: 'A tier is named standard, enterprise or ci, an organisation by its id.',
    });
  auditContext.resourceId = settingId({ scope, name, policy });
  return { scope, name, policy };
}

/** The role is read each time, so that a revoked one has no effect at once. */
async function requireAdministrator(services: LimitRouteServices, userId: string): Promise<void> {
  if ((await services.credentials(userId))?.role === 'administrator') return;
  throw new ServiceError({
    status: 403,
    code: 'not-administrator',
    detail: 'This needs the role administrator.',
  });
}
