/** TCP ports that processes listen on, from /proc. Linux only; empty elsewhere. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTEN = '0A';

/** Socket inode to port. */
function portsByInode(): Map<string, number> {
  const found = new Map<string, number>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const row of linesOf(table)) {
      const [, local, , state, , , , , , inode] = row.trim().split(/\s+/);
      if (state !== LISTEN || local === undefined || inode === undefined) continue;
      found.set(inode, Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16));
    }
  }
  return found;
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(1);
  } catch {
    return []; // No IPv6, or no /proc.
  }
}

function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1];
        return inode === undefined ? [] : [inode];
      } catch {
        return []; // Closed meanwhile.
      }
    });
  } catch {
    return []; // Ended, or of another account.
  }
}

/** Ascending, each once. */
export function listeningPorts(pids: readonly number[]): number[] {
  const ports = portsByInode();
  const found = pids.flatMap(socketsOf).flatMap((inode) => ports.get(inode) ?? []);
  return [...new Set(found)].sort((a, b) => a - b);
}
