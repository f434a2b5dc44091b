/**
 * PostgreSQL's 56 bytes of System V shared memory. A postmaster that is killed with -9 leaves the segment behind until the
 * machine restarts; postmaster.pid in its data directory names it.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const LIMIT_MS = 5_000;
/** Lines of postmaster.pid: 1 is the pid, 7 the key and the id of the segment. */
const PID_LINE = 0;
const SEGMENT_LINE = 6;

/** Removes the segment of a dead postmaster. Does nothing after a clean stop, or without /proc. */
export async function removeSharedMemory(dataDir: string): Promise<void> {
  try {
    const lines = (await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8')).split('\n');
    const [key, id] = (lines[SEGMENT_LINE] ?? '').trim().split(/\s+/);
    const table = (await readFile('/proc/sysvipc/shm', 'utf8')).split('\n').slice(1);
    const isOurs = table.some((row) => {
      const [rowKey, rowId, , , creator, , attached] = row.trim().split(/\s+/);
      // The id alone may belong to another process by now.
      const isSame = rowId === id && Number(rowKey) === (Number(key) | 0); // The table's keys are signed.
      return isSame && creator === lines[PID_LINE]?.trim() && attached === '0';
    });
    if (isOurs) await promisify(execFile)('ipcrm', ['-m', id!], { timeout: LIMIT_MS });
  } catch {
    // No such file: a clean stop. No /proc or no ipcrm: 56 bytes stay.
  }
}
