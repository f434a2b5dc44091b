/**
 * Puts a child of the experiment before whatever else the machine does, so that another program disturbs a run
 * less. Only root may; elsewhere the check `other-cpu` says how busy the machine was with other things.
 */
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Beside a busy process of priority 0 on the same core: 97 % of it, by the kernel's table of weights. */
export const CHILD_PRIORITY = -15;

/** False when it is not permitted, or when the process has ended already, which its exit reports. */
export function raisePriority(pid: number, priority: number): boolean {
  try {
    setPriority(pid, priority);
  } catch {
    return false;
  }
  try {
    // Each child is a session of its own. Linux with autogroups shares the processor between sessions first, and
    // the priority above then only counts within one: 52 % of a core without this, 96 % with it.
    writeFileSync(`/proc/${pid}/autogroup`, `${priority}`);
  } catch {
    // No autogroups here, or not Linux: the priority alone decides.
  }
  return true;
}
