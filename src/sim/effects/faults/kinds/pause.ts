/** SIGSTOP for a process, or for every process of a node; undo is SIGCONT. */
import { resolveNodeTarget, targetProblems } from '../../../plan/fault-target.ts';
import type { NodeOf } from '../../../topology.ts';
import { describeTargets, type FaultKind } from '../fault.ts';
import { probeAll, signalAll } from '../members.ts';
import { type PausedProcesses, pidsOf, watchPaused } from '../process-evidence.ts';

export interface PauseSpec<Target extends string = string> {
  readonly kind: 'pause';
  /** `redis`, `gateway.2`. */
  readonly target: NodeOf<Target>;
}

export const pauseFault: FaultKind<PauseSpec> = {
  kind: 'pause',
  describe: (specs) => `pause of ${describeTargets(specs)} (SIGSTOP)`,
  problems: ({ target }, topology) => targetProblems(() => resolveNodeTarget(target, topology)),
  create({ target }, targets) {
    const members = targets.members(target);
    let isApplied = false;
    let paused: PausedProcesses | null = null;
    return {
      async apply() {
        isApplied = true;
        const hit = await signalAll(members, 'SIGSTOP');
        paused = watchPaused(target, pidsOf(members));
        return hit;
      },
      measure: async () => paused?.evidence() ?? [],
      async undo() {
        if (!isApplied) return;
        await signalAll(members, 'SIGCONT');
        isApplied = false;
      },
      probe: () => probeAll(members),
      decisions: () => [],
    };
  },
};
