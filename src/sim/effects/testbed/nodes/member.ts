/** A controlled process as a member of a node. */
import type { ControlledProcess } from '../../process/controlled-process.ts';
import type { Member } from '../node.ts';

export function memberOf(process: ControlledProcess, url: string): Member {
  return {
    name: process.name,
    url,
    pid: () => process.pid,
    pids: () => process.pids(),
    async signal(signal) {
      const { pid } = process;
      await process.signal(signal);
      return `${signal} to ${process.name}, process ${pid}`;
    },
    restart: () => process.restart(),
    probe: () => process.probe(),
  };
}
