/** The pin plan of this machine: asks the kernel which cores we may use at all. */
import { readFileSync } from 'node:fs';
import { findProgram } from './find-program.ts';
import { type PinPlan, parseCoreList, pinPlan } from './pin-plan.ts';

export function allowedCores(): number[] {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    return parseCoreList(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '');
  } catch {
    return []; // No /proc: no pinning either.
  }
}

export function machinePinPlan(): PinPlan | null {
  return pinPlan({
    platform: process.platform,
    allowedCores: allowedCores(),
    hasTaskset: findProgram('taskset') !== null,
  });
}
