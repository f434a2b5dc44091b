/**
 * Puts the experiment before whatever else the machine does, so that another program disturbs a run less. Linux shares
 * the processor between sessions first (autogroups), and each child is a session of its own: its session's share is
 * raised, and the priorities that processes of one service give each other stay as the service wants them. Only root
 * may; elsewhere, and without autogroups, the check `other-cpu` says how busy the machine was with other things.
 */
import { readFileSync, writeFileSync } from 'node:fs';

/** Beside a busy session of nice 0 on the same core: 97 % of it, by the kernel's table of weights. */
export const SESSION_NICE = -15;

/** False where it is not permitted, where there are no autogroups, or when the process has ended. */
export function raiseSession(pid: number, nice = SESSION_NICE): boolean {
  const file = `/proc/${pid}/autogroup`;
  try {
    // A process that has put its own session back, such as one that hashes in the background, means it.
    if (!/ nice 0\s*$/.test(readFileSync(file, 'utf8'))) return false;
    writeFileSync(file, `${nice}`);
    return true;
  } catch {
    return false; // Its exit, or the check of the machine's use, tells what matters.
  }
}
