/** Signals or probes every process (member) of a node that a fault acts on. */
import type { ControlSignal } from '../process/controlled-process.ts';
import type { Member } from '../testbed/node.ts';

/** Resolves, when the signal has taken effect on every process, with a text that names them. */
export async function signalAll(
  members: readonly Member[],
  signal: ControlSignal,
): Promise<string> {
  return (await Promise.all(members.map((member) => member.signal(signal)))).join('; ');
}

/** True when all are up, else the reason why one is not. */
export async function probeAll(members: readonly Member[]): Promise<true | string> {
  const answers = await Promise.all(members.map((member) => member.probe()));
  return answers.find((answer) => answer !== true) ?? true;
}
