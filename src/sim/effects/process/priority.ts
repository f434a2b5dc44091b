/**
 * Raises the priority of the run's processes over other programs of the machine. Linux divides CPU time between sessions
 * first (autogroups), and each child has its own session: raising the session keeps the relative priorities inside a
 * service. Only root may; for other users, and without autogroups, the check `other-cpu` reports how busy the machine was.
 */
import { readFileSync, writeFileSync } from 'node:fs';

/** Beside a busy session of nice 0 on the same core: 97 % of it, by the kernel's table of weights. */
export const SESSION_NICE = -15;

/** False where it is not permitted, where there are no autogroups, or when the process has ended. */
export function raiseSessionPriority(pid: number, nice = SESSION_NICE): boolean {
  const file = `/proc/${pid}/autogroup`;
  try {
    // A process that lowered its own session on purpose, such as one that hashes in the background, stays low.
    if (!/ nice 0\s*$/.test(readFileSync(file, 'utf8'))) return false;
    writeFileSync(file, `${nice}`);
    return true;
  } catch {
    return false; // Reported by the process's exit, or by the check `other-cpu`.
  }
}
