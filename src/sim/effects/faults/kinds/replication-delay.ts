/** Delays a standby's replay (recovery_min_apply_delay); undo lets it catch up. */
import { durationText } from '../../../pure/quantity-text.ts';
import type { NodeOf } from '../../../topology.ts';
import { capableNodeProblems } from '../capable-node.ts';
import { describeTargets, type FaultKind } from '../fault.ts';

export interface ReplicationDelaySpec<Target extends string = string> {
  readonly kind: 'replication-delay';
  /** A standby. */
  readonly target: NodeOf<Target>;
  readonly delayMs: number;
}

/** Lag of a standby without a delay, also on a busy machine. */
const CAUGHT_UP_MS = 50;

export const replicationDelayFault: FaultKind<ReplicationDelaySpec> = {
  kind: 'replication-delay',
  describe: (specs) => `${describeTargets(specs)} replays ${durationText(specs[0].delayMs)} later`,
  problems: ({ target, delayMs }, topology) => [
    ...capableNodeProblems(target, topology, {
      needs: 'a primary to follow',
      isCapable: (spec) => spec.kind === 'postgres' && spec.standbyOf !== undefined,
    }),
    ...(Number.isFinite(delayMs) && delayMs > 0
      ? []
      : [`delayMs must be more than 0, got ${delayMs}`]),
  ],
  create({ target, delayMs }, targets) {
    const { replication } = targets.node(target).capabilities;
    if (replication === undefined) throw new Error(`${target} follows no primary`);
    let isApplied = false;
    return {
      async apply() {
        isApplied = true;
        await replication.delay(delayMs);
        return `${target} replays ${durationText(delayMs)} later`;
      },
      async measure() {
        const { bytes } = await replication.lag();
        return [{ what: `bytes that ${target} has not replayed`, value: bytes, atLeast: 1 }];
      },
      async undo() {
        if (!isApplied) return;
        await replication.delay(0);
        isApplied = false;
      },
      async probe() {
        const { bytes, replayUs } = await replication.lag();
        const limitMs = Math.max(CAUGHT_UP_MS, delayMs / 2);
        if (bytes === 0 || (replayUs !== null && replayUs < limitMs * 1_000)) return true;
        return `${target} is still ${bytes} bytes behind`;
      },
      decisions: () => [],
    };
  },
};
