/** Signals and probes all processes that a fault acts on. */
import type { ControlSignal } from '../process/controlled-process.ts';
import type { Member } from '../testbed/node.ts';

/** Resolves when the signal has taken effect on every process, with what was hit. */
export async function signalAll(
  members: readonly Member[],
  signal: ControlSignal,
): Promise<string> {
  return (await Promise.all(members.map((member) => member.signal(signal)))).join('; ');
}

/** True when all are up, else why the first one is not. */
export async function probeAll(members: readonly Member[]): Promise<true | string> {
  const answers = await Promise.all(members.map((member) => member.probe()));
  return answers.find((answer) => answer !== true) ?? true;
}
