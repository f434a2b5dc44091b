/**
 * A tiny process beside every run, in a session of its own. Its standard input is a pipe whose other end only the
 * run holds: when it closes, the run has ended, in whatever way. If the lease is still there, the reaper cleans it.
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

// A closed terminal or Ctrl-C must not take the cleaner down with the run.
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});
process.stdin.resume();
process.stdin.once('close', () => {
  setTimeout(() => process.exit(1), LIMIT_MS).unref();
  // What cannot be cleaned stays in its lease for the next run, which can tell the operator.
  reap(process.argv[2]!).then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
