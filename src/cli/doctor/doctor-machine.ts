/**
 * Judges what was measured of the machine. Pure. A slow machine is a warning, because the validity checks of each run
 * decide whether its numbers count; a machine that cannot run at all fails.
 */
import type { Machine } from '../../sim/effects/observe/machine.ts';
import { descriptorProblem } from '../../sim/effects/process/open-descriptors.ts';
import { BUILD_BYTES } from '../../sim/effects/testbed/templates/template-store.ts';
import { type Check, fail, ok, warn } from './doctor-check.ts';

const GB = 1024 ** 3;
const minNode = [20, 19] as const;
const MIN_MEMORY_BYTES = 2 * GB;
/** Building the template of a million rows needs this much. */
const MIN_DISK_BYTES = BUILD_BYTES;
const COMFORTABLE_DISK_BYTES = 4 * GB;
/** The send lag that a run tolerates. */
const MAX_JITTER_US = 5_000;
const MAX_FSYNC_US = 20_000;
/** No disk is this fast: the folder is in memory. */
const MIN_FSYNC_US = 20;

const formatGb = (bytes: number): string => `${(bytes / GB).toFixed(1)} GB`;
const formatMs = (us: number): string => `${(us / 1_000).toFixed(us < 10_000 ? 2 : 0)} ms`;

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const [minMajor, minMinor] = minNode;
  if (major > minMajor || (major === minMajor && minor >= minMinor)) return ok('node', version);
  const minVersion = `${minMajor}.${minMinor}`;
  return fail(
    'node',
    `${version}, needs ${minVersion} or newer`,
    'install Node 22 from nodejs.org',
  );
}

export function checkCores(cores: number, canPin: boolean, platform: NodeJS.Platform): Check {
  if (cores < 2) {
    const found = '1: PostgreSQL and the load share it';
    return warn('cores', found, 'use a machine with 2 cores or more');
  }
  if (canPin) return ok('cores', `${cores}, PostgreSQL gets one of its own`);
  if (platform !== 'linux') return ok('cores', `${cores}, not pinned on ${platform}`);
  return warn('cores', `${cores}, but no taskset to pin PostgreSQL to one`, 'platform setup');
}

export function checkLoad(loadAverage: number, cores: number): Check {
  const found = `${loadAverage.toFixed(2)} on ${cores} cores`;
  return loadAverage <= cores * 0.5
    ? ok('load', found)
    : warn('load', `${found}: other programs use the CPU`, 'stop it, or wait a minute');
}

export function checkMemory(bytes: number): Check {
  return bytes >= MIN_MEMORY_BYTES
    ? ok('memory', formatGb(bytes))
    : warn('memory', formatGb(bytes), `give the machine ${formatGb(MIN_MEMORY_BYTES)} or more`);
}

export function checkDisk(freeBytes: number, folder: string): Check {
  const found = `${formatGb(freeBytes)} free in ${folder}`;
  const fix = 'free some space, or set PLATFORM_CACHE to a folder on a larger disk';
  if (freeBytes < MIN_DISK_BYTES) return fail('disk', found, fix);
  return freeBytes < COMFORTABLE_DISK_BYTES ? warn('disk', found, fix) : ok('disk', found);
}

export function checkDescriptors(limit: number | null): Check {
  const problem = descriptorProblem(limit);
  if (problem === null)
    return ok('descriptors', `${limit ?? 'an unknown number'} for each process`);
  const { why, next, stopsRun } = problem;
  return stopsRun ? fail('descriptors', why, next) : warn('descriptors', why, next);
}

/** Runs keep PostgreSQL's shared memory in its data directory, so a container's 64 MB, or none, suffice. */
export function checkSharedMemory(freeBytes: number | null): Check {
  const found = freeBytes === null ? 'there is none' : `${formatGb(freeBytes)} free`;
  return ok('/dev/shm', `${found}; a run needs none`);
}

export function checkTimers(jitterP99Us: number): Check {
  const found = `a 1 ms timer is at most ${formatMs(jitterP99Us)} late (p99)`;
  return jitterP99Us <= MAX_JITTER_US
    ? ok('timers', found)
    : warn('timers', found, 'close other programs; a busy virtual machine cannot be helped');
}

export function checkFsync(p50Us: number | null): Check {
  if (p50Us === null) {
    return warn('fsync', 'could not be measured', 'set PLATFORM_CACHE to a writable folder');
  }
  const found = `${formatMs(p50Us)} per 4 kB (p50)`;
  if (p50Us < MIN_FSYNC_US) {
    const fix = 'set PLATFORM_CACHE to a folder on a disk, not on tmpfs';
    return warn('fsync', `${found}: the folder is in memory`, fix);
  }
  const slowFix = 'set PLATFORM_CACHE to a folder on a faster disk';
  return p50Us <= MAX_FSYNC_US ? ok('fsync', found) : warn('fsync', found, slowFix);
}

export function checkMachine(
  machine: Machine,
  facts: {
    canPin: boolean;
    platform: NodeJS.Platform;
    freeBytes: number;
    cache: string;
    descriptors: number | null;
    sharedMemoryBytes: number | null;
  },
): Check[] {
  return [
    checkCores(machine.cores, facts.canPin, facts.platform),
    checkLoad(machine.loadAverage, machine.cores),
    checkMemory(machine.memoryBytes),
    checkDisk(facts.freeBytes, facts.cache),
    checkDescriptors(facts.descriptors),
    checkSharedMemory(facts.sharedMemoryBytes),
    checkTimers(machine.timerJitterP99Us),
    checkFsync(machine.fsyncP50Us),
  ];
}
