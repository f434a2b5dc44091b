/**
 * A free TCP port on 127.0.0.1 below the ephemeral range: a server that is killed must get its port back, and the
 * kernel must not give the port to a client meanwhile, which could even connect to itself. Another process may take the
 * port between the check and its use: the start is retried, and the server that answers is checked to be the right one.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError } from '../../errors.ts';

const LOWEST_PORT = 20_000;
const MAX_PICKS = 20;

async function listenBriefly(port: number): Promise<number> {
  const server = net.createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const found = (server.address() as net.AddressInfo).port;
  server.close();
  await once(server, 'close');
  return found;
}

/** Null: in use. */
const tryListen = (port: number): Promise<number | null> => listenBriefly(port).catch(() => null);

/** First port of the ephemeral range; Linux's default where there is no /proc. */
function firstEphemeralPort(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
  } catch {
    return 32_768; // No /proc.
  }
}

async function pickPort(span: number, isFree: (port: number) => Promise<boolean>) {
  for (let pick = 0; span > 0 && pick < MAX_PICKS; pick += 1) {
    const port = LOWEST_PORT + Math.floor(Math.random() * span);
    if (await isFree(port)) return port;
  }
  return null;
}

/** A free port whose neighbour `offset` above it is free as well: Redis Cluster needs both. */
export async function freePortPair(offset: number): Promise<number> {
  const isFree = async (port: number): Promise<boolean> =>
    (await tryListen(port)) !== null && (await tryListen(port + offset)) !== null;
  // Both below the ephemeral range, if that leaves any choice.
  const below = firstEphemeralPort() - LOWEST_PORT - offset;
  const port = (await pickPort(below, isFree)) ?? (await pickPort(offset, isFree));
  if (port === null) throw new Error(`no two free ports ${offset} apart on 127.0.0.1`);
  return port;
}

export async function freePort(): Promise<number> {
  const below = firstEphemeralPort() - LOWEST_PORT;
  const picked = await pickPort(below, async (port) => (await tryListen(port)) !== null);
  if (picked !== null) return picked;
  try {
    return await listenBriefly(0);
  } catch (cause) {
    throw new EnvironmentError(
      {
        what: 'no port can be opened on 127.0.0.1',
        why: (cause as Error).message,
        next: 'ip addr show lo, and ss -s for what holds the ports',
      },
      { cause },
    );
  }
}

/** True when something accepts connections on the port. */
export function isPortOpen(port: number, limitMs = 1_000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1', timeout: limitMs });
    const settle = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => settle(true));
    socket.once('timeout', () => settle(false));
    socket.once('error', () => settle(false));
  });
}

/** Starts a server on a free port; retries when `isPortTaken` says that the port was lost to another process. */
export async function withFreePort<T>(
  start: (port: number) => Promise<T>,
  isPortTaken: (error: unknown) => boolean,
  findPort: () => Promise<number> = freePort,
): Promise<T> {
  const attempts = 5;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(await findPort());
    } catch (error) {
      if (attempt === attempts || !isPortTaken(error)) throw error;
      // A restart asks for the same port again, which another process may hold for a moment.
      await sleep(attempt * 50);
    }
  }
}
