/**
 * Alternatives to a part of a design beside each other: after the arms, on a Redis of its own, by a process that the
 * scenario names and that writes a Comparison. Whatever happens, nothing of it is left.
 */
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { makePassable, makePrivate, openCache } from './effects/process/cache.ts';
import { createLease } from './effects/process/lease.ts';
import type { PinPlan } from './effects/process/pin-plan.ts';
import { runUser } from './effects/process/run-user.ts';
import { Undo } from './effects/process/undo.ts';
import { singleServer } from './effects/testbed/process-contract.ts';
import { runOneShot } from './effects/testbed/service-process.ts';
import { openRedis } from './effects/testbed/testbed-stores.ts';
import type { Comparison } from './result.ts';
import type { ProcessSpec } from './scenario.ts';

const LIMIT_MS = 600_000;

export interface ComparisonOptions {
  readonly spec: ProcessSpec;
  readonly runId: string;
  readonly logFolder: string;
  readonly seed: number;
  readonly cores: PinPlan | null;
  readonly signal: AbortSignal;
  readonly onNote: (text: string) => void;
  readonly env?: NodeJS.ProcessEnv;
}

export async function runComparison(options: ComparisonOptions): Promise<Comparison> {
  const { spec, cores, signal, onNote, seed, logFolder } = options;
  const env = options.env ?? process.env;
  const user = runUser();
  const cache = await openCache(user, env);
  const lease = createLease({ runId: options.runId, cache });
  const undo = new Undo();
  undo.add('the lease', () => lease.release());
  try {
    await mkdir(logFolder, { recursive: true });
    await makePassable(lease.folder);
    const workFolder = path.join(lease.folder, 'work');
    await makePrivate(workFolder, null);
    const stores = { cache, user, lease, undo, logs: logFolder };
    const redis = await openRedis({ ...options, ...stores, env });
    const outFile = path.join(workFolder, 'comparison.json');
    await runOneShot({
      spec: { ...spec, params: { ...spec.params, outFile } },
      config: {
        seed,
        addresses: {
          redis: singleServer(redis.url, redis.prefix),
          // It has no PostgreSQL, and says so when it looks for one.
          database: singleServer('postgresql://none.invalid', 'none'),
        },
        stateDirectory: '',
      },
      cores: cores?.rest ?? null,
      ...{ lease, signal, limitMs: LIMIT_MS },
      logFile: path.join(logFolder, `${spec.name}.log`),
    });
    return parsed(await readFile(outFile, 'utf8'), spec.module);
  } finally {
    await undo.run().catch((failure: Error) => onNote(`after the comparison: ${failure.message}`));
  }
}

function parsed(text: string, module: string): Comparison {
  const value = JSON.parse(text) as Comparison;
  const column = value.columns?.find(({ id }) => id === value.chart?.column);
  if (column === undefined || !Array.isArray(value.rows) || value.rows.length === 0)
    throw new Error(`${module} wrote no comparison: it lacks rows, or the column of its chart`);
  return value;
}
