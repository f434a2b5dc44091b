/** Kills a process, or every process of a node; undo restarts it at the same address (PostgreSQL with its data, Redis empty). */
import { resolveNodeTarget, targetProblems } from '../../../plan/fault-target.ts';
import type { NodeOf } from '../../../topology.ts';
import { describeTargets, type FaultKind } from '../fault.ts';
import { probeAll, signalAll } from '../members.ts';

export interface KillSpec<Target extends string = string> {
  readonly kind: 'kill';
  /** `redis`, `gateway.2`. */
  readonly target: NodeOf<Target>;
  readonly signal: 'SIGKILL' | 'SIGTERM';
}

export const killFault: FaultKind<KillSpec> = {
  kind: 'kill',
  describe: (specs) => `${describeSignal(specs[0].signal)} of ${describeTargets(specs)}`,
  problems: ({ target }, topology) => targetProblems(() => resolveNodeTarget(target, topology)),
  create({ target, signal }, targets) {
    const members = targets.members(target);
    let isApplied = false;
    return {
      apply() {
        isApplied = true;
        return signalAll(members, signal);
      },
      async undo() {
        if (!isApplied) return;
        await Promise.all(members.map((member) => member.restart()));
        isApplied = false;
      },
      probe: () => probeAll(members),
      decisions: () => [],
    };
  },
};

export const describeSignal = (signal: KillSpec['signal']): string =>
  signal === 'SIGKILL' ? 'kill -9' : 'kill -TERM';
