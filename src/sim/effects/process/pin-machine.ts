/** The pin plan of this machine, from the cores the kernel allows this process. */
import { readFileSync } from 'node:fs';
import { findProgram } from './find-program.ts';
import { type PinPlan, parseCoreList, pinPlan } from './pin-plan.ts';

export function allowedCores(): number[] {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    return parseCoreList(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '');
  } catch {
    return []; // Without /proc there is no pinning.
  }
}

export function machinePinPlan(): PinPlan | null {
  return pinPlan({
    platform: process.platform,
    allowedCores: allowedCores(),
    hasTaskset: findProgram('taskset') !== null,
  });
}
