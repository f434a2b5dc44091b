/** Pages of the limit settings and changes to them, for administrators; the number of settings is bounded. */
import {
  type Database,
  type RecordIn,
  ServiceError,
  type TransactionalDatabase,
} from '../ports.ts';
import { writeLimitSettings } from './settings.ts';
import { type LimitSetting, type LimitTenant, MAX_ROWS } from './settings-policy.ts';

export type SettingName = Pick<LimitSetting, 'scope' | 'name' | 'policy'>;

export interface ListedSetting {
  readonly scope: LimitSetting['scope'];
  readonly name: string;
  /** `tier` for the tier of an organisation. */
  readonly policy: LimitSetting['policy'] | 'tier';
  readonly limit: number | null;
  readonly mode: LimitSetting['mode'] | null;
  readonly tier: LimitTenant['tier'] | null;
  readonly changedAt: string | null;
}

export interface SettingsPage {
  readonly items: readonly ListedSetting[];
  /** The cursor of the next page. */
  readonly next: string | null;
}

export interface LimitSettingsChanges {
  /** By scope, name and policy. */
  list(cursor: string | null, limit: number): Promise<SettingsPage>;
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
    async list(after, limit) {
      const rows = await db.query<ListedSetting>({
        text: `SELECT * FROM (
                 SELECT scope, name, policy, "limit", mode, NULL AS tier,
                        to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "changedAt"
                   FROM limit_settings
                 UNION ALL
                 SELECT 'organisation', organisation_id::text, 'tier', NULL, NULL, tier, NULL FROM limit_tenants) AS s
                WHERE (scope || '/' || name || '/' || policy) COLLATE "C" > $1
                ORDER BY (scope || '/' || name || '/' || policy) COLLATE "C" LIMIT $2`,
        values: [after ?? '', limit + 1],
      });
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      const next = rows.length > limit && last ? settingId(last) : null;
      return { items, next };
    },

    write: (row, recordIn) =>
      db.transaction(async (tx) => {
        await writeLimitSettings(tx, [row]);
        // Changes wait for each other, so this count includes all committed ones.
        if ((await countRows(tx)) > MAX_ROWS) throw tooManySettings();
        await recordIn(tx);
      }),

    remove: ({ scope, name, policy }, recordIn) =>
      db.transaction(async (tx) => {
        const removed = await tx.query({
          text: 'DELETE FROM limit_settings WHERE scope = $1 AND name = $2 AND policy = $3 RETURNING 1',
          values: [scope, name, policy],
        });
        if (removed.length > 0) await recordIn(tx);
      }),
  };
}

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
