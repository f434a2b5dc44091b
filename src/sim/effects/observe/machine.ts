/**
 * The machine a run was made on, with two measured facts that bound what its numbers can mean: how late a timer
 * fires and how long the disk takes to make 4 kB durable.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Environment } from '../../result.ts';
import { cacheFolder } from '../process/cache.ts';
import { createFolder } from '../process/create-folder.ts';
import { packageRoot, packageVersion } from '../process/package-root.ts';

export type Machine = Pick<
  Environment,
  | 'platform'
  | 'node'
  | 'cpuModel'
  | 'cores'
  | 'memoryBytes'
  | 'loadAverage'
  | 'timerJitterP99Us'
  | 'fsyncP50Us'
  | 'commit'
  | 'version'
>;

const microseconds = (): number => Number(process.hrtime.bigint() / 1_000n);

function quantile(values: readonly number[], q: number): number {
  const ascending = [...values].sort((a, b) => a - b);
  return ascending[Math.min(ascending.length - 1, Math.ceil(q * ascending.length) - 1)] ?? 0;
}

/** By how much a 1 ms sleep is late, p99 over `durationMs`. */
export async function timerJitterP99Us(durationMs = 200): Promise<number> {
  const late: number[] = [];
  const end = microseconds() + durationMs * 1_000;
  while (microseconds() < end) {
    const from = microseconds();
    await sleep(1);
    late.push(Math.max(0, microseconds() - from - 1_000));
  }
  return quantile(late, 0.99);
}

/** Median time to write 4 kB and fsync it, in the databases' folder; null when it cannot be written. */
export async function fsyncP50Us(folder: string, rounds = 20): Promise<number | null> {
  const name = path.join(folder, `.fsync-${process.pid}-${microseconds()}`);
  try {
    await createFolder(folder);
    const file = await open(name, 'w', 0o600);
    try {
      const block = Buffer.alloc(4_096, 1);
      const times: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const from = microseconds();
        await file.write(block, 0, block.length, round * block.length);
        await file.sync();
        times.push(microseconds() - from);
      }
      return quantile(times, 0.5);
    } finally {
      await file.close();
      await rm(name, { force: true });
    }
  } catch {
    return null; // Not measurable here; the report says so.
  }
}

/** Short commit of the checkout; null for an installed package. */
async function commitOf(folder: string): Promise<string | null> {
  if (!existsSync(path.join(folder, '.git'))) return null;
  try {
    const git = promisify(execFile);
    const { stdout } = await git('git', ['rev-parse', '--short=12', 'HEAD'], {
      cwd: folder,
      timeout: 5_000,
    });
    return stdout.trim();
  } catch {
    return null; // No git on this machine.
  }
}

export async function describeMachine(env: NodeJS.ProcessEnv = process.env): Promise<Machine> {
  // One after the other: a busy disk would delay the timers.
  const jitter = await timerJitterP99Us();
  const fsync = await fsyncP50Us(cacheFolder(env));
  return {
    platform: `${type()} ${release()} ${arch()}`,
    node: process.version,
    cpuModel: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    // Outside a limited container the constraint is a number near 2^64.
    memoryBytes: Math.min(totalmem(), process.constrainedMemory?.() || Number.POSITIVE_INFINITY),
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    timerJitterP99Us: jitter,
    fsyncP50Us: fsync,
    commit: await commitOf(packageRoot),
    version: packageVersion,
  };
}
