/** Ends a process, or every process of a node; undo starts it again at the same address (PostgreSQL: same data; Redis: empty). */
import { resolvePlace, targetProblems } from '../../../fault-target.ts';
import type { NodeOf } from '../../../topology.ts';
import { type FaultKind, targetWords } from '../fault.ts';
import { answerOfAll, signalAll } from '../members.ts';

export interface KillSpec<Target extends string = string> {
  readonly kind: 'kill';
  /** `redis`, `gateway.2`. */
  readonly target: NodeOf<Target>;
  readonly signal: 'SIGKILL' | 'SIGTERM';
}

export const killFault: FaultKind<KillSpec> = {
  kind: 'kill',
  words: (alike) => `${killWords(alike[0].signal)} of ${targetWords(alike)}`,
  problems: ({ target }, topology) => targetProblems(() => resolvePlace(target, topology)),
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
      probe: () => answerOfAll(members),
      decisions: () => [],
    };
  },
};

export const killWords = (signal: KillSpec['signal']): string =>
  signal === 'SIGKILL' ? 'kill -9' : 'kill -TERM';
