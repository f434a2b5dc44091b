/** What every request of turn 5 takes at every level of its limits, from the policy and not from the answer. */
import type { OperationRecord } from '../sim/history.ts';
import type { LevelUse } from './invariants/limit-level-events.ts';

/** Of the customer's organisation and of each of its addresses, in the tier of pipelines. */
const CI = { organisation: 3_000, address: 3_000 };
/** Of every other customer. */
const STANDARD = { organisation: 1_000, user: 100, address: 300 };

/** An equal part of the key: one for each agent, and one for all requests without an enrolled agent. */
export const evenShare = (keyLimit: number, agents: number) => Math.floor(keyLimit / (agents + 1));

export const turn5Levels =
  (given: {
    readonly windowMs: number;
    readonly keyLimit: number;
    readonly agents: number;
    /** Names of the operations that use the customer's key. */
    readonly ofKey: readonly string[];
    /** Of them, the one without an enrolled agent. */
    readonly unenrolled: string;
    weightOf(operation: OperationRecord): number;
  }) =>
  (operation: OperationRecord): readonly LevelUse[] => {
    const { name, user, subject = '' } = operation;
    const levelOf = (policy: string, counted: string, limit: number): LevelUse => ({
      policy,
      limit,
      windowMs: given.windowMs,
      subject: counted,
      weight: given.weightOf(operation),
    });
    if (!given.ofKey.includes(name))
      return [
        levelOf('organisation', user, STANDARD.organisation),
        levelOf('user', user, STANDARD.user),
        levelOf('address', user, STANDARD.address),
      ];
    const unenrolled = evenShare(given.keyLimit, given.agents);
    return [
      levelOf('organisation', 'customer', CI.organisation),
      { ...levelOf('key', 'key', given.keyLimit), isShared: true },
      ...(name === given.unenrolled ? [levelOf('unenrolled', 'key', unenrolled)] : []),
      // Each agent is at an address of its own.
      levelOf('address', subject, CI.address),
    ];
  };
