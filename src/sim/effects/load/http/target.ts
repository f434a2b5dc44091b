/** One process of the service as a target of the load: a name for the history, an address, a connection pool. */
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
  /** The end of the request line and the host header: the text between the path and the actor's headers. */
  readonly requestLineEnd: string;
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
    requestLineEnd: ` HTTP/1.1\r\nhost: ${host}\r\n`,
    pathPrefix: pathname.replace(/\/$/, ''),
    pool: open({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || 80),
      ...options,
    }),
  };
}
