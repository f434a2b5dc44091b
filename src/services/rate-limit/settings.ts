/**
 * The limits in force, in memory: their version is read from PostgreSQL every `refreshMs`, and all of them when it has
 * changed. Version and rows come from one statement, so from one snapshot. While PostgreSQL does not answer, or has more
 * rows than a process takes, the limits read last stay in force, and one error is reported.
 */
import type { ExactLimitsDesign } from '../design.ts';
import { type Clock, type Database, isoFromUs } from '../ports.ts';
import { retryOnTimeout } from '../retry-on-timeout.ts';
import {
  type LimitSetter,
  type LimitSetting,
  type LimitsOf,
  type LimitTenant,
  MAX_ROWS,
  resolveLimits,
  type Tier,
} from './settings-policy.ts';

export interface LimitSettings {
  /** Reads the limits; rejects when that fails. */
  start(): Promise<void>;
  /** Resolves when changes committed before the call are in effect here, or could not be read. */
  refresh(): Promise<void>;
  readonly limitsOf: LimitsOf;
  /** What the operator's settings allow, before an administrator's. */
  readonly allowedOf: LimitsOf;
  close(): Promise<void>;
}

interface Row extends Omit<LimitSetting, 'scope' | 'limit' | 'mode'> {
  readonly version: string;
  /** `tenant`: `name` is the organisation, `policy` its tier. Null where there is no row at all. */
  readonly scope: LimitSetting['scope'] | 'tenant' | null;
  readonly limit: number;
  readonly mode: LimitSetting['mode'];
  readonly setBy: LimitSetter;
}

export function createLimitSettings(options: {
  db: Database;
  design: ExactLimitsDesign;
  clock: Clock;
  onError: (error: Error) => void;
}): LimitSettings {
  const { db, design, clock, onError } = options;
  let limitsOf = resolveLimits(design, [], []);
  let allowedOf = limitsOf;
  let version: string | null = null;
  let readAtUs = 0;
  let isFailing = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  let reading: Promise<void> = Promise.resolve();

  const reload = async () => {
    const rows = await db.query<Row>({
      name: 'limit-settings-read',
      text: `SELECT version, settings.* FROM limit_settings_version LEFT JOIN (
               SELECT scope, name, policy, "limit", mode, set_by AS "setBy" FROM limit_settings
               UNION ALL SELECT 'tenant', organisation_id::text, tier, 0, '', 'operator' FROM limit_tenants
               LIMIT ${MAX_ROWS + 1}) AS settings ON true`,
    });
    if (rows.length > MAX_ROWS) throw new Error(`there are more than ${MAX_ROWS} limit settings`);
    const settings: LimitSetting[] = [];
    const tenants: LimitTenant[] = [];
    for (const { scope, name, policy, limit, mode, setBy } of rows) {
      if (scope === 'tenant')
        tenants.push({ organisationId: name, tier: policy as string as Tier });
      else if (scope !== null) settings.push({ scope, name, policy, limit, mode, setBy });
    }
    const byOperator = settings.filter(({ setBy }) => setBy === 'operator');
    limitsOf = resolveLimits(design, settings, tenants);
    allowedOf = resolveLimits(design, byOperator, tenants);
    version = rows[0]!.version;
  };

  const read = async () => {
    const startedUs = clock.nowUs();
    const [row] = await db.query<{ version: string }>({
      name: 'limit-settings-version',
      text: 'SELECT version FROM limit_settings_version',
    });
    if (row!.version !== version) await reload();
    readAtUs = startedUs;
    isFailing = false;
  };

  const reportOnce = (cause: unknown) => {
    if (!isFailing) {
      const since = isoFromUs(readAtUs);
      onError(new Error(`limit settings are those of ${since}: they cannot be read`, { cause }));
    }
    isFailing = true;
  };

  // One after the other, so that an older state never replaces a newer one.
  const refresh = () => {
    reading = reading.then(read).catch(reportOnce);
    return reading;
  };

  const schedule = () => {
    timer = setTimeout(async () => {
      await refresh();
      if (!isClosed) schedule();
    }, design.degraded.refreshMs);
    timer.unref();
  };

  return {
    async start() {
      await retryOnTimeout(read);
      schedule();
    },
    refresh,
    limitsOf: (organisationId, tier) => limitsOf(organisationId, tier),
    allowedOf: (organisationId, tier) => allowedOf(organisationId, tier),
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await reading;
    },
  };
}

/** Inserts in bulk, and replaces existing rows. */
export async function writeLimitSettings(
  db: Database,
  rows: readonly (LimitSetting | LimitTenant)[],
): Promise<void> {
  const tenants = rows.filter((row) => 'tier' in row);
  const settings = rows.filter((row): row is LimitSetting => !('tier' in row));
  if (tenants.length > 0)
    await db.query({
      text: `INSERT INTO limit_tenants (organisation_id, tier)
             SELECT * FROM unnest($1::bigint[], $2::text[])
             ON CONFLICT (organisation_id) DO UPDATE SET tier = excluded.tier`,
      values: [
        tenants.map(({ organisationId }) => organisationId),
        tenants.map(({ tier }) => tier),
      ],
    });
  if (settings.length > 0)
    await db.query({
      text: `INSERT INTO limit_settings (scope, name, policy, "limit", mode, set_by, changed_at)
             SELECT *, now() FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[])
             ON CONFLICT (scope, name, policy, set_by) DO UPDATE
                SET "limit" = excluded."limit", mode = excluded.mode, changed_at = excluded.changed_at`,
      values: [
        settings.map(({ scope }) => scope),
        settings.map(({ name }) => name),
        settings.map(({ policy }) => policy),
        settings.map(({ limit }) => limit),
        settings.map(({ mode }) => mode),
        settings.map(({ setBy = 'operator' }) => setBy),
      ],
    });
}
