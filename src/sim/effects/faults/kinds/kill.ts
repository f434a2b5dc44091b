/** Kills a process, or every process of a node; undo restarts it at the same address (PostgreSQL with its data, Redis empty). */
import type { FaultEvidence } from '../../../history.ts';
import { resolveNodeTarget, targetProblems } from '../../../plan/fault-target.ts';
import type { NodeOf } from '../../../topology.ts';
import { describeTargets, type FaultKind } from '../fault.ts';
import { probeAll, signalAll } from '../members.ts';
import { endedEvidence } from '../process-evidence.ts';

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
    let evidence: readonly FaultEvidence[] = [];
    let killedPids: readonly number[] = [];
    return {
      async apply() {
        isApplied = true;
        const hit = await signalAll(members, signal);
        killedPids = members.map((member) => member.pid());
        evidence = [endedEvidence(target, killedPids)];
        return hit;
      },
      measure: async () => evidence,
      async undo() {
        if (!isApplied) return;
        await Promise.all(members.map((member) => member.restart()));
        isApplied = false;
      },
      async probe() {
        const old = members.find((member) => killedPids.includes(member.pid()));
        if (old !== undefined && !isApplied) return `${old.name} is no new process`;
        return await probeAll(members);
      },
      decisions: () => [],
    };
  },
};

export const describeSignal = (signal: KillSpec['signal']): string =>
  signal === 'SIGKILL' ? 'kill -9' : 'kill -TERM';
