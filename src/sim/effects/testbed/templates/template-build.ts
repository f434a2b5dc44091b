/**
 * Builds one data template: initdb, start, the scenario's one-shot steps in order, a clean stop, everything synced.
 * While building, fsync is off: after a crash it is built again, and the sync at the end makes it durable.
 */
import path from 'node:path';
import type { ModuleStep } from '../../../topology.ts';
import type { Lease } from '../../process/lease.ts';
import type { RunUser } from '../../process/run-user.ts';
import { addServerLogCause } from '../disk-space.ts';
import { OWNER_ROLE, openLogins, roleStatements } from '../logins.ts';
import { singleServerAddress } from '../process-contract.ts';
import { runOneShot, type ServiceOptions } from '../service-process.ts';
import { withLogin } from '../stores/credentials.ts';
import { createDataDirectory, readPassword, syncDataDirectory } from '../stores/data-directory.ts';
import type { PostgresBinaries } from '../stores/postgres-binaries.ts';
import { withPostgres } from '../stores/postgres-client.ts';
import { startPostgres } from '../stores/postgres-process.ts';
import { withSearchPath } from '../stores/search-path.ts';
import { templateKey } from './template-key.ts';
import { ensureTemplate, type Template } from './template-store.ts';

/** Schema of the platform's tables in a database of the run. */
export const TEMPLATE_SCHEMA = 'platform';

const STEP_LIMIT_MS = 180_000;

const BUILD_SETTINGS: Readonly<Record<string, string>> = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  shared_buffers: '256MB',
  maintenance_work_mem: '256MB',
  max_wal_size: '1GB',
  // Unused WAL files would be copied into every run.
  min_wal_size: '32MB',
  wal_recycle: 'off',
  autovacuum: 'off',
};

export interface TemplateInput {
  readonly cache: string;
  readonly binaries: PostgresBinaries;
  readonly user: RunUser | null;
  readonly lease: Lease;
  readonly steps: readonly ModuleStep[];
  /** That the steps grant rights to, besides the owner. */
  readonly roles: readonly string[];
  readonly seed: number;
  readonly logsFolder: string;
  readonly signal?: AbortSignal | undefined;
  readonly onNote: (text: string) => void;
}

/** Config of a step that builds data: a database, no state directory. */
export function stepConfig(url: string, schema: string, seed: number): ServiceOptions['config'] {
  return { addresses: { database: singleServerAddress(url, schema) }, seed, stateDirectory: '' };
}

async function buildData(input: TemplateInput, dataDir: string): Promise<void> {
  const { lease, signal, logsFolder } = input;
  const target = { binaries: input.binaries, user: input.user, dataDir };
  const serverLog = path.join(logsFolder, 'template-postgres.log');
  await createDataDirectory(target);
  const server = await startPostgres({
    binaries: input.binaries,
    dataDir,
    password: await readPassword(dataDir),
    settings: BUILD_SETTINGS,
    cores: null,
    user: input.user,
    lease,
    logFile: serverLog,
    name: 'postgres (template)',
    signal,
  });
  try {
    await runStatements(server.url, [
      'CREATE EXTENSION pg_stat_statements SCHEMA public',
      ...roleStatements(TEMPLATE_SCHEMA, input.roles),
    ]);
    const logins = await openLogins(server.url, [OWNER_ROLE]);
    const ownerUrl = withLogin(server.url, logins.get(OWNER_ROLE)!);
    for (const spec of input.steps) {
      await runOneShot({
        spec,
        config: stepConfig(withSearchPath(ownerUrl, TEMPLATE_SCHEMA), TEMPLATE_SCHEMA, input.seed),
        cores: null,
        lease,
        logFile: path.join(logsFolder, `template-${spec.name}.log`),
        signal,
        limitMs: STEP_LIMIT_MS,
      });
    }
    // Otherwise autovacuum would do it at the start of every run, on the measured core.
    await runStatements(server.url, ['VACUUM (FREEZE, ANALYZE)']);
    // The second checkpoint removes the WAL files that the first one made obsolete.
    await runStatements(server.url, ['CHECKPOINT', 'SELECT pg_switch_wal()', 'CHECKPOINT']);
  } catch (error) {
    throw await addServerLogCause(error, serverLog);
  } finally {
    await server.stop();
  }
  await syncDataDirectory(target);
}

async function runStatements(url: string, statements: readonly string[]): Promise<void> {
  await withPostgres(url, STEP_LIMIT_MS, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}

/** The template of these steps, built now if this machine does not have it. */
export async function provideTemplate(input: TemplateInput): Promise<Template> {
  const key = await templateKey({
    steps: input.steps,
    roles: input.roles,
    seed: input.seed,
    postgresVersion: input.binaries.version,
  });
  return await ensureTemplate({
    cache: input.cache,
    key,
    lease: input.lease,
    signal: input.signal,
    onNote: input.onNote,
    build: (dataDir) => buildData(input, dataDir),
  });
}
