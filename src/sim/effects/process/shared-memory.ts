/**
 * The 56 bytes of System V shared memory by which PostgreSQL knows that it runs. A postmaster that is killed with
 * -9 leaves them to the kernel until the machine restarts; its data directory says which they are.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const LIMIT_MS = 5_000;
/** Lines of postmaster.pid: 1 is the pid, 7 the key and the id of the segment. */
const PID_LINE = 0;
const SEGMENT_LINE = 6;

/** Removes the segment of a dead postmaster. Does nothing after a clean stop, or where /proc does not tell. */
export async function removeSharedMemory(dataDir: string): Promise<void> {
  try {
    const lines = (await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8')).split('\n');
    const [key, id] = (lines[SEGMENT_LINE] ?? '').trim().split(/\s+/);
    const table = (await readFile('/proc/sysvipc/shm', 'utf8')).split('\n').slice(1);
    const isOurs = table.some((row) => {
      const [rowKey, rowId, , , creator, , attached] = row.trim().split(/\s+/);
      // The id alone may be somebody else's by now.
      const isSame = rowId === id && Number(rowKey) === (Number(key) | 0); // The table's keys are signed.
      return isSame && creator === lines[PID_LINE]?.trim() && attached === '0';
    });
    if (isOurs) await promisify(execFile)('ipcrm', ['-m', id!], { timeout: LIMIT_MS });
  } catch {
    // No such file: it was stopped cleanly. No /proc or no ipcrm: nothing can be done about 56 bytes.
  }
}
