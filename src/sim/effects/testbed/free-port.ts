/**
 * A free TCP port on 127.0.0.1. Between finding and using it somebody else may take it, so whoever starts a
 * server on it retries, and afterwards proves that the server that answers is its own.
 */
import { once } from 'node:events';
import net from 'node:net';

export async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
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
    }
  }
}
