/**
 * Pages of the limit settings and changes to them; the number of settings is bounded. Each change is on record with what
 * was before, for the organisation it concerns.
 */
import {
  type AuditFields,
  type Database,
  type RecordIn,
  ServiceError,
  type TransactionalDatabase,
} from '../ports.ts';
import { writeLimitSettings } from './settings.ts';
import {
  type LimitSetter,
  type LimitSetting,
  type LimitTenant,
  MAX_ROWS,
} from './settings-policy.ts';

export type SettingName = Pick<LimitSetting, 'scope' | 'name' | 'policy' | 'setBy'>;

export interface ListedSetting {
  readonly scope: LimitSetting['scope'];
  readonly name: string;
  /** `tier` for the tier of an organisation. */
  readonly policy: LimitSetting['policy'] | 'tier';
  readonly limit: number | null;
  readonly mode: LimitSetting['mode'] | null;
  readonly setBy: LimitSetter;
  readonly tier: LimitTenant['tier'] | null;
  readonly changedAt: string | null;
}

export interface SettingsPage {
  readonly items: readonly ListedSetting[];
  /** The cursor of the next page. */
  readonly next: string | null;
}

export interface LimitSettingsChanges {
  /** By scope, name, policy and who set it; of one organisation, or of all and of the tiers with null. */
  list(organisationId: string | null, cursor: string | null, limit: number): Promise<SettingsPage>;
  hasOrganisation(id: string): Promise<boolean>;
  write(row: LimitSetting | LimitTenant, recordIn: RecordIn): Promise<void>;
  /** Idempotent. */
  remove(setting: SettingName, recordIn: RecordIn): Promise<void>;
}

export function createLimitSettingsChanges({
  db,
}: {
  db: TransactionalDatabase;
}): LimitSettingsChanges {
  return {
    async list(organisationId, after, limit) {
      const rows = await db.query<ListedSetting>({
        text: `SELECT * FROM (
                 SELECT scope, name, policy, "limit", mode, set_by AS "setBy", NULL AS tier,
                        to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "changedAt"
                   FROM limit_settings
                 UNION ALL
                 SELECT 'organisation', organisation_id::text, 'tier', NULL, NULL, 'operator', tier, NULL
                   FROM limit_tenants) AS s
                WHERE ${cursorText} COLLATE "C" > $1
                  AND ($3::text IS NULL OR (scope = 'organisation' AND name = $3))
                ORDER BY ${cursorText} COLLATE "C" LIMIT $2`,
        values: [after ?? '', limit + 1, organisationId],
      });
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      const next = rows.length > limit && last ? `${settingId(last)}/${last.setBy}` : null;
      return { items, next };
    },

    async hasOrganisation(id) {
      const text = 'SELECT 1 FROM organisations WHERE id = $1';
      return (await db.query({ text, values: [id] })).length > 0;
    },

    write: (row, recordIn) =>
      db.transaction(async (tx) => {
        await lockChanges(tx);
        const before = 'tier' in row ? await readTier(tx, row) : await readSetting(tx, row);
        await writeLimitSettings(tx, [row]);
        if ((await countRows(tx)) > MAX_ROWS) throw tooManySettings();
        const after = 'tier' in row ? { tier: row.tier } : { limit: row.limit, mode: row.mode };
        await recordIn(tx, { change: { before, after }, ...affectedBy(row) });
      }),

    remove: (setting, recordIn) =>
      db.transaction(async (tx) => {
        const { scope, name, policy, setBy = 'operator' } = setting;
        const [before] = await tx.query<{ limit: number; mode: string }>({
          text: `DELETE FROM limit_settings WHERE scope = $1 AND name = $2 AND policy = $3 AND set_by = $4
                 RETURNING "limit", mode`,
          values: [scope, name, policy, setBy],
        });
        if (before) await recordIn(tx, { change: { before, after: null }, ...affectedBy(setting) });
      }),
  };
}

const cursorText = `(scope || '/' || name || '/' || policy || '/' || "setBy")`;

/** Changes wait for each other from here on, so what is read next is what was before, and counts are exact. */
async function lockChanges(tx: Database): Promise<void> {
  await tx.query({ text: 'SELECT 1 FROM limit_settings_version FOR UPDATE' });
}

async function readSetting(tx: Database, { scope, name, policy, setBy = 'operator' }: SettingName) {
  const [found] = await tx.query<{ limit: number; mode: string }>({
    text: `SELECT "limit", mode FROM limit_settings
            WHERE scope = $1 AND name = $2 AND policy = $3 AND set_by = $4`,
    values: [scope, name, policy, setBy],
  });
  return found ?? null;
}

async function readTier(tx: Database, { organisationId }: LimitTenant) {
  const text = 'SELECT tier FROM limit_tenants WHERE organisation_id = $1';
  const [found] = await tx.query<{ tier: string }>({ text, values: [organisationId] });
  return found ?? null;
}

/** A tier is the platform's. */
const affectedBy = (
  row: SettingName | LimitTenant,
): Pick<AuditFields, 'affectedOrganisationId'> => {
  if ('organisationId' in row) return { affectedOrganisationId: row.organisationId };
  return row.scope === 'organisation' ? { affectedOrganisationId: row.name } : {};
};

export const settingId = ({
  scope,
  name,
  policy,
}: Omit<SettingName, 'policy'> & { policy: string }) => `${scope}/${name}/${policy}`;

async function countRows(tx: Database): Promise<number> {
  const [row] = await tx.query<{ count: string }>({
    text: `SELECT (SELECT count(*) FROM limit_settings) + (SELECT count(*) FROM limit_tenants) AS count`,
  });
  return Number(row!.count);
}

const tooManySettings = () =>
  new ServiceError({
    status: 409,
    code: 'too-many-limit-settings',
    detail: `There are ${MAX_ROWS} limit settings, which is all there may be. Remove one first.`,
  });
