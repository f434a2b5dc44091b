/**
 * Limits at run time, for administrators: see them, set one for a tier or an organisation, take it away, give an
 * organisation another tier. In effect here when it is answered, in the other processes about a second later.
 */
import { ServiceError } from '../ports.ts';
import type { Call, JsonSchema, Route } from '../route.ts';
import type { LimitSettings } from './settings.ts';
import { type LimitSettingsChanges, settingId } from './settings-changes.ts';
import {
  type LimitSetting,
  maxLimit,
  modes,
  policies,
  type Tier,
  tiers,
} from './settings-policy.ts';

export interface LimitRouteServices {
  readonly changes: LimitSettingsChanges;
  readonly settings: Pick<LimitSettings, 'refresh'>;
  /** The user's role as it is now; null for nobody, or for a disabled account. */
  credentials(userId: string): Promise<{ readonly role: string } | null>;
}

const pageSize = 500;
const action = 'rate-limit';

const limit: JsonSchema = { type: 'integer', minimum: 1, maximum: maxLimit };
const mode: JsonSchema = {
  type: 'string',
  enum: modes,
  description: 'shadow: judged and counted, never a reason to refuse. off: not asked.',
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

export function limitRoutes(given: LimitRouteServices): readonly Route[] {
  return [listRoute(given), setRoute(given), removeRoute(given), tierRoute(given)];
}

const listRoute = (given: LimitRouteServices): Route => ({
  method: 'GET',
  url: '/admin/rate-limits',
  summary: `Limits that differ from the design's, ${pageSize} a page; needs the role administrator`,
  access: 'session',
  action: `${action}.list`,
  resourceType: action,
  whenUnaudited: 'local-log',
  query: {
    type: 'object',
    additionalProperties: false,
    properties: { cursor: { type: 'string', maxLength: 60 } },
  },
  answers: {
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
    await requireAdministrator(given, userId);
    const cursor = (query.cursor as string | undefined) ?? null;
    return { status: 200, body: { ...(await given.changes.list(cursor, pageSize)) } };
  },
});

const setRoute = (given: LimitRouteServices): Route => ({
  method: 'PUT',
  url: '/admin/rate-limits/:scope/:name/:policy',
  summary: 'Set a limit of a tier or an organisation; needs the role administrator',
  access: 'session',
  action: `${action}.set`,
  resourceType: action,
  params: settingParams,
  body: set,
  answers: { 200: listed },
  problems: [409],
  async handle(call) {
    await requireAdministrator(given, call.userId);
    const setting = { ...settingOf(call), ...(call.body as Pick<LimitSetting, 'limit' | 'mode'>) };
    await given.changes.write(setting, call.recordIn);
    await given.settings.refresh();
    return { status: 200, body: setting };
  },
});

const removeRoute = (given: LimitRouteServices): Route => ({
  method: 'DELETE',
  url: '/admin/rate-limits/:scope/:name/:policy',
  summary:
    'Take a limit away, so that the next wider one holds; may be repeated; needs the role administrator',
  access: 'session',
  action: `${action}.remove`,
  resourceType: action,
  params: settingParams,
  answers: { 204: null },
  async handle(call) {
    await requireAdministrator(given, call.userId);
    await given.changes.remove(settingOf(call), call.recordIn);
    await given.settings.refresh();
    return { status: 204 };
  },
});

const tierRoute = (given: LimitRouteServices): Route => ({
  method: 'PUT',
  url: '/admin/rate-limits/organisation/:name/tier',
  summary: 'Give an organisation another tier; needs the role administrator',
  access: 'session',
  action: `${action}.tier`,
  resourceType: action,
  params: { type: 'object', required: ['name'], properties: { name: organisationId } },
  body: setTier,
  answers: { 200: listed },
  problems: [409],
  async handle({ userId, params, body, trail, recordIn }) {
    await requireAdministrator(given, userId);
    const name = params.name!;
    const tier = body.tier as Tier;
    trail.resourceId = settingId({ scope: 'organisation', name, policy: 'tier' });
    await given.changes.write({ organisationId: name, tier }, recordIn);
    await given.settings.refresh();
    return { status: 200, body: { scope: 'organisation', name, policy: 'tier', tier } };
  },
});

/** Also puts its name on the trail. */
function settingOf({ params, trail }: Call): Pick<LimitSetting, 'scope' | 'name' | 'policy'> {
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
  trail.resourceId = settingId({ scope, name, policy });
  return { scope, name, policy };
}

/** Read, not remembered: a role that was taken away is gone at once. */
async function requireAdministrator(given: LimitRouteServices, userId: string): Promise<void> {
  if ((await given.credentials(userId))?.role === 'administrator') return;
  throw new ServiceError({
    status: 403,
    code: 'not-administrator',
    detail: 'This needs the role administrator.',
  });
}
