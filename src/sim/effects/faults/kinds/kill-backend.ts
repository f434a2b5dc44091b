/** Signals one backend of a server, a busy one if possible; the server recovers by itself. */
import type { FaultEvidence } from '../../../history.ts';
import type { NodeOf } from '../../../topology.ts';
import { capableNodeProblems } from '../capable-node.ts';
import { describeTargets, type FaultKind } from '../fault.ts';
import { probeAll } from '../members.ts';
import { pidsOf, someEndedEvidence } from '../process-evidence.ts';
import { describeSignal, type KillSpec } from './kill.ts';

export interface KillBackendSpec<Target extends string = string> {
  readonly kind: 'kill-backend';
  /** A node with a backend for each client: `postgres`. */
  readonly target: NodeOf<Target>;
  /** Default SIGKILL, after which PostgreSQL restarts all backends. */
  readonly signal?: KillSpec['signal'];
}

export const killBackendFault: FaultKind<KillBackendSpec> = {
  kind: 'kill-backend',
  describe: (specs) =>
    `${describeSignal(specs[0].signal ?? 'SIGKILL')} of one backend of ${describeTargets(specs)}`,
  problems: ({ target }, topology) =>
    capableNodeProblems(target, topology, {
      needs: 'a backend for each client',
      isCapable: ({ kind }) => kind === 'postgres',
    }),
  create({ target, signal = 'SIGKILL' }, targets) {
    const members = targets.members(target);
    const { signalBackend } = targets.node(target).capabilities;
    if (signalBackend === undefined) throw new Error(`${target} has no backends to signal`);
    let pidsBefore: readonly number[] = [];
    let evidence: readonly FaultEvidence[] = [];
    return {
      async apply() {
        pidsBefore = pidsOf(members);
        const hit = await signalBackend(signal);
        evidence = [someEndedEvidence(target, pidsBefore)];
        return hit;
      },
      measure: async () => evidence,
      undo: async () => {},
      probe: () => probeAll(members),
      decisions: () => [],
    };
  },
};
