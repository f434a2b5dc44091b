/** How many file descriptors a process may have, and, from /proc, what those of a process are. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';

export interface OpenDescriptors {
  /** Files, by path. */
  readonly files: number;
  /** TCP connections that it accepted at its own ports, and those that it opened. */
  readonly inbound: number;
  readonly outbound: number;
  /** Pipes, event loops, sockets within the machine, and sockets that listen. */
  readonly other: number;
}

/** Of this process and those that it starts: Node has raised it to the hard limit. Null where it cannot be read. */
export function descriptorLimit(): number | null {
  try {
    const text =
      process.platform === 'linux'
        ? /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))![1]!
        : execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8', timeout: 5_000 }).trim();
    return text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
  } catch {
    return null;
  }
}

/** What our own load may open at once, and a service of the run may then have to accept. */
const COMFORTABLE = 4_200;
const LEAST = 256;

/** Null where every load can be played. With `stopsRun` not even a small one can. */
export function descriptorProblem(
  limit: number | null,
): { readonly why: string; readonly next: string; readonly stopsRun: boolean } | null {
  if (limit === null || limit >= COMFORTABLE) return null;
  const stopsRun = limit < LEAST;
  const effect = stopsRun ? `a run needs ${LEAST}` : 'a load that needs more proves nothing';
  return {
    why: `a process may open ${limit} files and sockets (ulimit -n): ${effect}`,
    next: `ulimit -n ${COMFORTABLE}; of a container: --ulimit nofile=${COMFORTABLE}`,
    stopsRun,
  };
}

/** Of a row of /proc/net/tcp. */
const LISTENING = '0A';

/** Null when the process has ended, or there is no /proc. `ports`: where it accepts connections. */
export function openDescriptorsOf(pid: number, ports: readonly number[]): OpenDescriptors | null {
  const folder = `/proc/${pid}/fd`;
  let links: string[];
  try {
    links = readdirSync(folder).flatMap((name) => readLink(path.join(folder, name)) ?? []);
  } catch {
    return null;
  }
  const localPorts = tcpConnections(pid);
  const counts = { files: 0, inbound: 0, outbound: 0, other: 0 };
  for (const link of links) {
    const localPort = localPorts.get(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '');
    if (link.startsWith('/')) counts.files += 1;
    else if (localPort === undefined) counts.other += 1;
    else if (ports.includes(localPort)) counts.inbound += 1;
    else counts.outbound += 1;
  }
  return counts;
}

/** Null when it was closed since the listing. */
function readLink(file: string): string | null {
  try {
    return readlinkSync(file);
  } catch {
    return null;
  }
}

/** The local port of each TCP connection in the process's network, by the socket's inode. */
function tcpConnections(pid: number): Map<string, number> {
  const ports = new Map<string, number>();
  for (const family of ['tcp', 'tcp6']) {
    for (const line of readLines(`/proc/${pid}/net/${family}`)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (state !== LISTENING) ports.set(inode, Number.parseInt(local.split(':')[1] ?? '', 16));
    }
  }
  return ports;
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'latin1').split('\n').slice(1);
  } catch {
    return []; // A kernel without IPv6.
  }
}
