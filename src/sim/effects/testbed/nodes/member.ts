/** A controlled process, with its URL, as a member of a node. */
import type { ControlledProcess } from '../../process/controlled-process.ts';
import type { Member } from '../node.ts';

/** `isUp` is called after the process has answered a ping: true, or why it is not ready in its role. */
export function memberOf(
  process: ControlledProcess,
  url: string,
  isUp: () => Promise<true | string> = async () => true,
): Member {
  return {
    name: process.name,
    url,
    metricsUrl: () => process.metricsUrl ?? url,
    pid: () => process.pid,
    pids: () => process.pids(),
    async signal(signal) {
      const { pid } = process;
      await process.signal(signal);
      return `${signal} to ${process.name}, process ${pid}`;
    },
    restart: () => process.restart(),
    async probe() {
      const answer = await process.probe();
      if (answer !== true) return answer;
      return await isUp().catch(
        (error) => `${process.name} does not answer: ${(error as Error).message}`,
      );
    },
  };
}
