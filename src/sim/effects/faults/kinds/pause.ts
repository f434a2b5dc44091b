/** SIGSTOP for a process, or for every process of a node; undo is SIGCONT. */
import { resolvePlace, targetProblems } from '../../../fault-target.ts';
import type { NodeOf } from '../../../topology.ts';
import { type FaultKind, targetWords } from '../fault.ts';
import { answerOfAll, signalAll } from '../members.ts';

export interface PauseSpec<Target extends string = string> {
  readonly kind: 'pause';
  /** `redis`, `gateway.2`. */
  readonly target: NodeOf<Target>;
}

export const pauseFault: FaultKind<PauseSpec> = {
  kind: 'pause',
  words: (alike) => `pause of ${targetWords(alike)} (SIGSTOP)`,
  problems: ({ target }, topology) => targetProblems(() => resolvePlace(target, topology)),
  create({ target }, targets) {
    const members = targets.members(target);
    let isApplied = false;
    return {
      apply() {
        isApplied = true;
        return signalAll(members, 'SIGSTOP');
      },
      async undo() {
        if (!isApplied) return;
        await signalAll(members, 'SIGCONT');
        isApplied = false;
      },
      probe: () => answerOfAll(members),
      decisions: () => [],
    };
  },
};
