/** Keeps the load generator, and what else stands for the network, from waiting for a processor. */
import { execFile } from 'node:child_process';
import { setPriority } from 'node:os';
import { raiseSession, SESSION_NICE } from '../../process/priority.ts';

const LIMIT_MS = 2_000;
/** Before the other processes of the experiment, which are raised themselves. */
const GENERATOR_NICE = SESSION_NICE - 4;

/**
 * On a full machine the generator should be the last to wait, or the run measures the generator. Only root may
 * raise a priority; elsewhere the send lag tells whether it was needed. A real-time class (util-linux's chrt) on
 * top of it, because a fair scheduler lets even a preferred process wait out other slices: several milliseconds.
 */
export function preferGenerator(pid: number): void {
  try {
    setPriority(pid, GENERATOR_NICE);
  } catch {
    return; // Not root, or it has ended already, which its exit reports.
  }
  raiseSession(pid, GENERATOR_NICE);
  const child = execFile(
    'chrt',
    ['--all-tasks', '--rr', '--pid', '1', `${pid}`],
    { timeout: LIMIT_MS, killSignal: 'SIGKILL' },
    () => {}, // Without chrt, or where a container forbids it, the priority above remains.
  );
  child.unref();
}
