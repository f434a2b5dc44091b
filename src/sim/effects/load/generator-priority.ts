import { setPriority } from 'node:os';

/**
 * On a full machine the generator should be the last to wait, or the run measures the generator. Only root may
 * raise a priority; elsewhere the send lag tells whether it was needed.
 */
export function preferGenerator(pid: number): void {
  try {
    setPriority(pid, -10);
  } catch {
    // Not permitted, or the process has ended already, which its exit reports.
  }
}
