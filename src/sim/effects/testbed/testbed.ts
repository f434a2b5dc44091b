/**
 * The testbed of one arm: every node of a topology started for real, the edges between them, and the promise that all of
 * it is gone afterwards. A node starts as soon as what it reaches is up. Everything started is pushed on a stack of undo
 * steps in the same breath; a failure or an abort anywhere unwinds the stack.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { openCache } from '../process/cache.ts';
import { createLease } from '../process/lease.ts';
import { cleanStale } from '../process/leftovers.ts';
import { runUser } from '../process/run-user.ts';
import { Undo } from '../process/undo.ts';
import { Assembly } from './assembly.ts';
import { explainDiskFull } from './disk-space.ts';
import type { RunningNode } from './node.ts';
import type { Testbed, TestbedOptions } from './testbed-types.ts';

export type { LoadTarget, Testbed, TestbedOptions } from './testbed-types.ts';

/** The PostgreSQL whose CPU is held and whose statements are read: the first of the topology; null where there is none. */
export function databaseOf({ nodes }: Pick<Testbed, 'nodes'>): RunningNode | null {
  return [...nodes.values()].find(({ kind }) => kind === 'postgres') ?? null;
}

/** Removes what killed runs left on this machine. Call it before a run. */
export async function cleanBefore(
  onNote: (text: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  await cleanStale(await openCache(runUser(), env), onNote);
}

export async function startTestbed(options: TestbedOptions): Promise<Testbed> {
  const env = options.env ?? process.env;
  options.signal?.throwIfAborted();
  const user = runUser();
  const cache = await openCache(user, env);
  const lease = createLease({ runId: options.runId, cache });
  const undo = new Undo();
  undo.add('the lease', () => lease.release());
  const logs = options.logFolder ?? path.join(lease.folder, 'logs');
  try {
    await mkdir(logs, { recursive: true });
    const assembly = await Assembly.begin(options, { env, user, cache, lease, undo, logs });
    return await assembly.assemble();
  } catch (error) {
    const explained = await explainDiskFull(error, cache);
    await undo.run().catch((failure) => {
      options.onNote(`after the failed start: ${(failure as Error).message}`);
    });
    throw explained;
  }
}
