/**
 * The limits that hold now, in memory: PostgreSQL is asked for their version every `refreshMs`, and for all of them
 * when it is another one. Version and rows are one statement, so one state. While PostgreSQL does not answer, or holds
 * more than a process takes, what was read last goes on, and one message says so.
 */
import type { ExactLimitsDesign } from '../design.ts';
import { type Clock, type Database, isoFromUs } from '../ports.ts';
import { startPatiently } from '../start-patiently.ts';
import {
  type LimitSetting,
  type LimitsOf,
  type LimitTenant,
  maxRows,
  resolveLimits,
  type Tier,
} from './settings-policy.ts';

export interface LimitSettings {
  /** Reads them; rejects when that is not possible. */
  start(): Promise<void>;
  /** Resolves when what was committed before the call is in effect here, or could not be read. */
  refresh(): Promise<void>;
  readonly of: LimitsOf;
  close(): Promise<void>;
}

interface Row extends Omit<LimitSetting, 'scope' | 'limit' | 'mode'> {
  readonly version: string;
  /** `tenant`: `name` is the organisation, `policy` its tier. Null where there is no row at all. */
  readonly scope: LimitSetting['scope'] | 'tenant' | null;
  readonly limit: number;
  readonly mode: LimitSetting['mode'];
}

export function createLimitSettings(given: {
  db: Database;
  design: ExactLimitsDesign;
  clock: Clock;
  report: (error: Error) => void;
}): LimitSettings {
  const { db, design, clock, report } = given;
  let limitsOf = resolveLimits(design, [], []);
  let version: string | null = null;
  let readAtUs = 0;
  let failing = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let reading: Promise<void> = Promise.resolve();

  const reload = async () => {
    const rows = await db.query<Row>({
      name: 'limit-settings-read',
      text: `SELECT version, settings.* FROM limit_settings_version LEFT JOIN (
               SELECT scope, name, policy, "limit", mode FROM limit_settings
               UNION ALL SELECT 'tenant', organisation_id::text, tier, 0, '' FROM limit_tenants
               LIMIT ${maxRows + 1}) AS settings ON true`,
    });
    if (rows.length > maxRows) throw new Error(`there are more than ${maxRows} limit settings`);
    const settings: LimitSetting[] = [];
    const tenants: LimitTenant[] = [];
    for (const { scope, name, policy, limit, mode } of rows) {
      if (scope === 'tenant')
        tenants.push({ organisationId: name, tier: policy as string as Tier });
      else if (scope !== null) settings.push({ scope, name, policy, limit, mode });
    }
    limitsOf = resolveLimits(design, settings, tenants);
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
    failing = false;
  };

  const tell = (cause: unknown) => {
    if (!failing) {
      const since = isoFromUs(readAtUs);
      report(new Error(`limit settings are those of ${since}: they cannot be read`, { cause }));
    }
    failing = true;
  };

  // One after the other: what was read earlier never replaces what was read later.
  const refresh = () => {
    reading = reading.then(read).catch(tell);
    return reading;
  };

  const schedule = () => {
    timer = setTimeout(async () => {
      await refresh();
      if (!closed) schedule();
    }, design.degraded.refreshMs);
    timer.unref();
  };

  return {
    async start() {
      await startPatiently(read);
      schedule();
    },
    refresh,
    of: (organisationId, tier) => limitsOf(organisationId, tier),
    async close() {
      closed = true;
      clearTimeout(timer);
      await reading;
    },
  };
}

/** In bulk, as seed data; what is there is replaced. */
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
      text: `INSERT INTO limit_settings (scope, name, policy, "limit", mode, changed_at)
             SELECT *, now() FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[])
             ON CONFLICT (scope, name, policy) DO UPDATE
                SET "limit" = excluded."limit", mode = excluded.mode, changed_at = excluded.changed_at`,
      values: [
        settings.map(({ scope }) => scope),
        settings.map(({ name }) => name),
        settings.map(({ policy }) => policy),
        settings.map(({ limit }) => limit),
        settings.map(({ mode }) => mode),
      ],
    });
}
