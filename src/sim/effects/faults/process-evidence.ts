/**
 * What the operating system says of the processes that a fault acts on, read from the process table and not from what
 * the testbed believes.
 */
import type { FaultEvidence } from '../../history.ts';
import { cpuTimeUsOf, isPaused, startTimeOf } from '../process/process-table.ts';
import type { Member } from '../testbed/node.ts';

/** CPU times are counted in ticks of this length. */
const TICK_US = 10_000;

/** Evidence that the processes with these pids have ended. */
export function endedEvidence(target: string, pids: readonly number[]): FaultEvidence {
  const running = pids.filter((pid) => startTimeOf(pid) !== null);
  return { what: `processes of ${target} that still run`, value: running.length, atMost: 0 };
}

/** Evidence that at least one of the processes with these pids has ended. */
export function someEndedEvidence(target: string, pids: readonly number[]): FaultEvidence {
  const ended = pids.filter((pid) => startTimeOf(pid) === null);
  return { what: `processes of ${target} that ended`, value: ended.length, atLeast: 1 };
}

/** The processes of all members, with their descendants. */
export function pidsOf(members: readonly Member[]): number[] {
  return members.flatMap((member) => member.pids());
}

export interface PausedProcesses {
  /** Read while the pause should still hold. */
  evidence(): FaultEvidence[];
}

/** From now on these processes should make no progress. */
export function watchPaused(target: string, pids: readonly number[]): PausedProcesses {
  const cpuUs = new Map(pids.map((pid) => [pid, cpuTimeUsOf(pid)]));
  return {
    evidence() {
      const running = pids.filter((pid) => startTimeOf(pid) !== null);
      const progressUs = running.map((pid) => {
        const [from, to] = [cpuUs.get(pid) ?? null, cpuTimeUsOf(pid)];
        return from === null || to === null ? 0 : to - from;
      });
      return [
        {
          what: `processes of ${target} that were paused`,
          value: running.filter(isPaused).length,
          atLeast: Math.max(1, running.length),
        },
        {
          what: `CPU time of ${target} while it was paused, us`,
          value: progressUs.reduce((total, us) => total + us, 0),
          atMost: TICK_US,
        },
      ];
    },
  };
}
