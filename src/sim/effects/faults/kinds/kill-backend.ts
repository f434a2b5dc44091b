/** Signals one of a server's own workers, a busy one if possible; the server recovers by itself. */

import type { NodeOf } from '../../../topology.ts';
import { capableNodeProblems } from '../capable-node.ts';
import { type FaultKind, targetWords } from '../fault.ts';
import { answerOfAll } from '../members.ts';
import { type KillSpec, killWords } from './kill.ts';

export interface KillBackendSpec<Target extends string = string> {
  readonly kind: 'kill-backend';
  /** A node with a worker for each client: `postgres`. */
  readonly target: NodeOf<Target>;
  /** Default SIGKILL, after which PostgreSQL restarts all of them. */
  readonly signal?: KillSpec['signal'];
}

export const killBackendFault: FaultKind<KillBackendSpec> = {
  kind: 'kill-backend',
  words: (alike) =>
    `${killWords(alike[0].signal ?? 'SIGKILL')} of one backend of ${targetWords(alike)}`,
  problems: ({ target }, topology) =>
    capableNodeProblems(target, topology, {
      needs: 'a backend for each client',
      isCapable: ({ kind }) => kind === 'postgres',
    }),
  create({ target, signal = 'SIGKILL' }, targets) {
    const members = targets.members(target);
    const { strikeBackend } = targets.node(target).capabilities;
    if (strikeBackend === undefined) throw new Error(`${target} has no backends to signal`);
    return {
      apply: () => strikeBackend(signal),
      undo: async () => {},
      probe: () => answerOfAll(members),
      decisions: () => [],
    };
  },
};
