/** Builds a scenario's data template ahead of its first run: for `platform setup`, outside any testbed. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { PostgresSpec } from '../../../topology.ts';
import { openCache } from '../../process/cache.ts';
import { createLease } from '../../process/lease.ts';
import { runUser } from '../../process/run-user.ts';
import { preparePostgres } from '../stores/postgres-binaries.ts';
import { provideTemplate } from './template-build.ts';
import type { Template } from './template-store.ts';

/**
 * Seed of the data, independent of the load's seed: a run with another seed has other arrivals on the same rows, and no
 * template is built twice.
 */
export const DATA_SEED = 1;

export interface PrepareOptions {
  /** Names the lease while the template is built. */
  readonly runId: string;
  readonly spec: PostgresSpec;
  /** See rolesOf in logins.ts. */
  readonly roles: readonly string[];
  readonly onNote: (text: string) => void;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

/** The template, built now unless this machine has it (`isNew`). */
export async function prepareTemplate(options: PrepareOptions): Promise<Template> {
  const user = runUser();
  const cache = await openCache(user, options.env);
  const binaries = await preparePostgres(cache);
  const lease = createLease({ runId: options.runId, cache });
  try {
    const logsFolder = path.join(lease.folder, 'logs');
    await mkdir(logsFolder, { mode: 0o700 });
    return await provideTemplate({
      cache,
      binaries,
      user,
      lease,
      steps: options.spec.template ?? [],
      roles: options.roles,
      seed: DATA_SEED,
      logsFolder,
      signal: options.signal,
      onNote: options.onNote,
    });
  } finally {
    await lease.release();
  }
}
