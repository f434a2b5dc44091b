/**
 * The testbed of one arm: real processes for every node of a topology, and the edges between them. A node starts when its
 * dependencies are up. Everything started is pushed on an undo stack in the same tick; a failure or an abort unwinds the
 * stack, so that nothing is left.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { openCache } from '../process/cache.ts';
import { shellEnvironment } from '../process/environment.ts';
import { createLease } from '../process/lease.ts';
import { cleanUpLeftovers } from '../process/leftovers.ts';
import { runUser } from '../process/run-user.ts';
import { UndoStack } from '../process/undo-stack.ts';
import { Assembly } from './assembly.ts';
import { explainDiskFull } from './disk-space.ts';
import type { RunningNode } from './node.ts';
import type { Testbed, TestbedOptions } from './testbed-types.ts';

export type { LoadTarget, Testbed, TestbedOptions } from './testbed-types.ts';

/** The PostgreSQL whose CPU is controlled and whose statements are read: the first of the topology; null without one. */
export function databaseOf({ nodes }: Pick<Testbed, 'nodes'>): RunningNode | null {
  return [...nodes.values()].find(({ kind }) => kind === 'postgres') ?? null;
}

/** Removes what killed runs left on this machine. Called before a run. */
export async function cleanUpKilledRuns(
  onNote: (text: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  await cleanUpLeftovers(await openCache(runUser(), env), onNote);
}

export async function startTestbed(options: TestbedOptions): Promise<Testbed> {
  const env = options.env ?? shellEnvironment();
  options.signal?.throwIfAborted();
  const user = runUser();
  const cache = await openCache(user, env);
  const lease = createLease({ runId: options.runId, cache });
  const undo = new UndoStack();
  undo.add('the lease', () => lease.release());
  const logFolder = options.logFolder ?? path.join(lease.folder, 'logs');
  try {
    await mkdir(logFolder, { recursive: true });
    const assembly = await Assembly.create(options, {
      env,
      user,
      cache,
      lease,
      undo,
      logFolder,
    });
    return await assembly.assemble();
  } catch (error) {
    const explained = await explainDiskFull(error, cache);
    await undo.unwind().catch((failure) => {
      options.onNote(`after the failed start: ${(failure as Error).message}`);
    });
    throw explained;
  }
}
