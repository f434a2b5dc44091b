/** Kills a primary, or one master of a cluster, and waits for the takeover; undo restarts it as a replica. */
import type { FaultEvidence } from '../../../history.ts';
import type { NodeOf } from '../../../topology.ts';
import { capableNodeProblems } from '../capable-node.ts';
import { describeTargets, type FaultKind } from '../fault.ts';
import { someEndedEvidence } from '../process-evidence.ts';

export interface FailoverSpec<Target extends string = string> {
  readonly kind: 'failover';
  /** A Redis with replicas, or a PostgreSQL that has a standby. */
  readonly target: NodeOf<Target>;
}

export const failoverFault: FaultKind<FailoverSpec> = {
  kind: 'failover',
  describe: (specs) => `failover of ${describeTargets(specs)}`,
  problems: ({ target }, topology) =>
    capableNodeProblems(target, topology, {
      needs: 'a replica that can take over',
      isCapable: (spec, name) =>
        spec.kind === 'redis'
          ? spec.mode === 'replica' || spec.mode === 'cluster'
          : Object.values(topology.nodes).some(
              (other) => other.kind === 'postgres' && other.standbyOf === name,
            ),
    }),
  create({ target }, targets) {
    const node = targets.node(target);
    const { failover } = node.capabilities;
    if (failover === undefined) throw new Error(`${target} has nothing that can take over`);
    let isApplied = false;
    let evidence: readonly FaultEvidence[] = [];
    return {
      async apply() {
        isApplied = true;
        const pids = node.members.map((member) => member.pid());
        const hit = await failover.apply();
        evidence = [someEndedEvidence(target, pids)];
        return hit;
      },
      measure: async () => evidence,
      async undo() {
        if (!isApplied) return;
        await failover.undo();
        isApplied = false;
      },
      probe: () => failover.probe(),
      decisions: () => [],
    };
  },
};
