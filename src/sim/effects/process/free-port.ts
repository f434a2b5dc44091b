/**
 * A free TCP port on 127.0.0.1, below the range the kernel takes for outgoing connections: a server that is
 * killed must get its port back, and meanwhile no client may be given it, let alone connect to itself.
 * Between finding and using it somebody else may take it, so whoever starts a server on it retries, and
 * afterwards proves that the server that answers is its own.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const LOWEST = 20_000;
const DRAWS = 20;

async function listenOnce(port: number): Promise<number | null> {
  const server = net.createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return null; // In use.
  }
  const found = (server.address() as net.AddressInfo).port;
  server.close();
  await once(server, 'close');
  return found;
}

/** First port of the range for outgoing connections; the usual one where the system does not tell. */
function outgoingFrom(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
  } catch {
    return 32_768; // No /proc.
  }
}

async function drawPort(span: number, isFree: (port: number) => Promise<boolean>) {
  for (let draw = 0; span > 0 && draw < DRAWS; draw += 1) {
    const port = LOWEST + Math.floor(Math.random() * span);
    if (await isFree(port)) return port;
  }
  return null;
}

/** A free port whose neighbour `offset` above it is free as well: Redis Cluster needs both. */
export async function freePortPair(offset: number): Promise<number> {
  const isFree = async (port: number): Promise<boolean> =>
    (await listenOnce(port)) !== null && (await listenOnce(port + offset)) !== null;
  // Both below the range for outgoing connections, if that leaves any choice.
  const below = outgoingFrom() - LOWEST - offset;
  const port = (await drawPort(below, isFree)) ?? (await drawPort(offset, isFree));
  if (port === null) throw new Error(`no two free ports ${offset} apart on 127.0.0.1`);
  return port;
}

export async function freePort(): Promise<number> {
  const below = outgoingFrom() - LOWEST;
  const drawn = await drawPort(below, async (port) => (await listenOnce(port)) !== null);
  if (drawn !== null) return drawn;
  const port = await listenOnce(0);
  if (port === null) throw new Error('no free port on 127.0.0.1');
  return port;
}

/** Does anything accept connections there? */
export function isPortOpen(port: number, limitMs = 1_000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1', timeout: limitMs });
    const answer = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => answer(true));
    socket.once('timeout', () => answer(false));
    socket.once('error', () => answer(false));
  });
}

/** Starts a server on a free port; `isPortTaken` tells a lost race from a real failure. */
export async function onFreePort<T>(
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
      // A restart asks for the same port again, which somebody may hold for a moment.
      await sleep(attempt * 50);
    }
  }
}
