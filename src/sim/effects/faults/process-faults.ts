/** Faults of processes: ended and started again at the same address, or paused and continued. */
import type { FaultSpec } from '../../fault-plan.ts';
import type { Processes } from '../testbed/processes.ts';
import type { Fault } from './fault.ts';

export type ProcessFaultSpec = Extract<FaultSpec, { kind: 'kill' | 'pause' }>;

export function createProcessFault(spec: ProcessFaultSpec, processes: Processes): Fault {
  const { target } = spec;
  processes.assertKnown(target);
  let isApplied = false;
  return {
    apply: () => {
      isApplied = true;
      return processes.signal(target, spec.kind === 'kill' ? spec.signal : 'SIGSTOP');
    },
    async undo() {
      if (!isApplied) return;
      if (spec.kind === 'kill') await processes.restart(target);
      else await processes.signal(target, 'SIGCONT');
      isApplied = false;
    },
    probe: () => processes.probe(target),
    decisions: () => [],
  };
}
