/** One process of the service, as the generator sees it: a name for the history, an address, a pool of connections. */
import { ConnectionPool } from './connection-pool.ts';
import type { OpenTransport, PoolOptions, Transport } from './transport.ts';

export interface TargetAddress {
  /** What the history calls it: `gateway.2`. */
  readonly name: string;
  /** `http://127.0.0.1:40123` */
  readonly url: string;
}

export interface Target {
  readonly name: string;
  /** What every request to it has between its path and the headers of its credential. */
  readonly line: string;
  readonly pathPrefix: string;
  readonly pool: Transport;
}

export function openTarget(
  { name, url }: TargetAddress,
  options: Omit<PoolOptions, 'host' | 'port'>,
  open: OpenTransport = (pool) => new ConnectionPool(pool),
): Target {
  const { protocol, host, hostname, port, pathname } = new URL(url);
  if (protocol !== 'http:') throw new Error(`only http:// can be loaded, not ${url}`);
  return {
    name,
    line: ` HTTP/1.1\r\nhost: ${host}\r\n`,
    pathPrefix: pathname.replace(/\/$/, ''),
    pool: open({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || 80),
      ...options,
    }),
  };
}
