/** Gives the load generator and the fault proxy priority over the processes they measure. */
import { execFile } from 'node:child_process';
import { setPriority } from 'node:os';
import { raiseSessionPriority, SESSION_NICE } from '../../process/priority.ts';

const LIMIT_MS = 2_000;
/** Above the run's other processes, whose sessions are raised as well. */
const GENERATOR_NICE = SESSION_NICE - 4;

/**
 * On a saturated machine a generator that waits for the CPU would measure itself. Only root may raise a priority; for
 * other users the send lag shows the effect. In addition a real-time class (util-linux's chrt): under the fair scheduler
 * even a preferred process waits several milliseconds for other slices.
 */
export function preferGenerator(pid: number): void {
  try {
    setPriority(pid, GENERATOR_NICE);
  } catch {
    return; // Not root, or it has ended, which its exit reports.
  }
  raiseSessionPriority(pid, GENERATOR_NICE);
  const child = execFile(
    'chrt',
    ['--all-tasks', '--rr', '--pid', '1', `${pid}`],
    { timeout: LIMIT_MS, killSignal: 'SIGKILL' },
    () => {}, // Without chrt, or where a container forbids it, the priority above remains.
  );
  child.unref();
}
