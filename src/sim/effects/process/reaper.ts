/**
 * A process beside every run, in its own session. Its standard input is a pipe that only the run holds open: it closes
 * when the run ends in any way. If the lease is still there by then, the reaper cleans up.
 */
import path from 'node:path';
import { readLease } from './lease.ts';
import { cleanLeftover } from './leftovers.ts';

const LIMIT_MS = 15_000;

async function reap(folder: string): Promise<void> {
  const lease = await readLease(folder);
  if (lease === null) return; // Released: nothing to do.
  const cache = path.dirname(path.dirname(folder));
  await cleanLeftover(cache, { runId: lease.runId, folder, lease, runningChildren: [] });
}

// A closed terminal or Ctrl-C ends the run; the reaper must outlive it.
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});
process.stdin.resume();
process.stdin.once('close', () => {
  setTimeout(() => process.exit(1), LIMIT_MS).unref();
  // What cannot be removed stays in the lease for the next run, which notes it for the operator.
  reap(process.argv[2]!).then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
