/**
 * Limits at run time: list them, set or remove one of a tier or an organisation, change an organisation's tier. Operators
 * set tiers and what each organisation may have; an administrator sets less than that for the own organisation. A change
 * is in effect here when it is answered, in the other processes about a second later.
 */
import type { Authorize } from '../authorization.ts';
import { ServiceError } from '../ports.ts';
import type { Call, JsonSchema, Route } from '../route.ts';
import type { LimitSettings } from './settings.ts';
import { type LimitSettingsChanges, type SettingName, settingId } from './settings-changes.ts';
import {
  isAllowed,
  type LimitSetting,
  limitSetters,
  MAX_LIMIT,
  modes,
  policies,
  type Tier,
  tiers,
} from './settings-policy.ts';

export interface LimitRouteServices {
  readonly changes: LimitSettingsChanges;
  readonly settings: Pick<LimitSettings, 'refresh' | 'allowedOf'>;
  readonly authorize: Authorize;
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
    setBy: { type: 'string', enum: limitSetters },
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
  summary: `Limits that differ from the design's, ${PAGE_SIZE} a page: all for operators, those of the own organisation for its administrators`,
  access: 'session',
  action: `${ACTION}.list`,
  resourceType: ACTION,
  onAuditDown: 'local-log',
  query: {
    type: 'object',
    additionalProperties: false,
    properties: { cursor: { type: 'string', maxLength: 80 } },
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
  async handle(call) {
    const { principal, scope } = await services.authorize(
      call,
      'limits.list',
      ({ organisationId }) => ({ kind: 'organisation', organisationId }),
    );
    const cursor = (call.query.cursor as string | undefined) ?? null;
    const organisationId = scope === 'platform' ? null : principal.organisationId;
    const page = await services.changes.list(organisationId, cursor, PAGE_SIZE);
    return { status: 200, body: { ...page } };
  },
});

const setRoute = (services: LimitRouteServices): Route => ({
  method: 'PUT',
  url: '/admin/rate-limits/:scope/:name/:policy',
  summary:
    'Set a limit of a tier or an organisation; administrators set less than allowed for their own',
  access: 'session',
  action: `${ACTION}.set`,
  resourceType: ACTION,
  params: settingParams,
  body: set,
  responses: { 200: listed },
  problems: [404, 409],
  async handle(call) {
    const { limit, mode } = call.body as Pick<LimitSetting, 'limit' | 'mode'>;
    const setting = { ...(await authorizeSetting(services, call)), limit, mode };
    if (setting.setBy === 'administrator') requireAllowed(services, setting);
    await services.changes.write(setting, call.recordIn);
    await services.settings.refresh();
    return { status: 200, body: setting };
  },
});

const removeRoute = (services: LimitRouteServices): Route => ({
  method: 'DELETE',
  url: '/admin/rate-limits/:scope/:name/:policy',
  summary:
    'Take away a limit that your role set, so that the next wider one holds; may be repeated',
  access: 'session',
  action: `${ACTION}.remove`,
  resourceType: ACTION,
  params: settingParams,
  responses: { 204: null },
  problems: [404],
  async handle(call) {
    await services.changes.remove(await authorizeSetting(services, call), call.recordIn);
    await services.settings.refresh();
    return { status: 204 };
  },
});

const tierRoute = (services: LimitRouteServices): Route => ({
  method: 'PUT',
  url: '/admin/rate-limits/organisation/:name/tier',
  summary: 'Give an organisation another tier; for operators',
  access: 'session',
  action: `${ACTION}.tier`,
  resourceType: ACTION,
  params: { type: 'object', required: ['name'], properties: { name: organisationId } },
  body: setTier,
  responses: { 200: listed },
  problems: [404, 409],
  async handle(call) {
    const { params, body, auditContext, recordIn } = call;
    const name = params.name!;
    const tier = body.tier as Tier;
    auditContext.resourceId = settingId({ scope: 'organisation', name, policy: 'tier' });
    await services.authorize(call, 'limits.set-tier', () => findOrganisation(services, name));
    await services.changes.write({ organisationId: name, tier }, recordIn);
    await services.settings.refresh();
    const setBy = 'operator';
    return { status: 200, body: { scope: 'organisation', name, policy: 'tier', setBy, tier } };
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

/** The setting that the caller may change: a role changes what that role set. */
async function authorizeSetting(services: LimitRouteServices, call: Call): Promise<SettingName> {
  const setting = settingOf(call);
  const { scope } = await services.authorize(call, 'limits.set', () =>
    setting.scope === 'tier'
      ? { kind: 'platform', organisationId: null }
      : findOrganisation(services, setting.name),
  );
  return { ...setting, setBy: scope === 'platform' ? 'operator' : 'administrator' };
}

async function findOrganisation({ changes }: LimitRouteServices, organisationId: string) {
  const exists = await changes.hasOrganisation(organisationId);
  return exists ? ({ kind: 'organisation', organisationId } as const) : null;
}

function requireAllowed(
  { settings }: LimitRouteServices,
  { name, policy, limit, mode }: LimitSetting,
): void {
  const allowed = settings.allowedOf(name)[policy];
  if (isAllowed({ limit, mode }, allowed)) return;
  throw new ServiceError({
    status: 403,
    code: 'limit-not-allowed',
    detail: `The operator of the platform allows your organisation at most ${allowed.limit} here, enforced. Ask for more.`,
  });
}
