/**
 * Pins a running process, its threads and its descendants. Several processes of a service start on all cores and are
 * pinned when they are ready: on one core their start would take several times as long, and it is not measured.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { descendantsOf } from './process-table.ts';

const LIMIT_MS = 5_000;
const run = promisify(execFile);

/** `cores` is a `taskset -c` list. A descendant that ends meanwhile is skipped. */
export async function pinProcess(pid: number, cores: string): Promise<void> {
  const pin = (one: number) =>
    run('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, `${one}`], { timeout: LIMIT_MS });
  await pin(pid);
  await Promise.all(descendantsOf(pid).map((child) => pin(child.pid).catch(() => null)));
}
