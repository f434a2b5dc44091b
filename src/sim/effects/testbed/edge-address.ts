/** The address of a node as the fault proxy connects to it, and as a client reaches it through the proxy. */
import type { Endpoint, Route, Upstream } from '../faults/proxy/protocol.ts';
import { isRedisSocket } from './addresses/redis-address.ts';

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'postgres:': 5432, 'redis:': 6379 };

/** A socket's path, which the driver of Redis takes alone, as a URL. */
function urlOf(address: string): URL {
  if (!isRedisSocket(address)) return new URL(address);
  const { searchParams: params } = new URL(address, 'unix://socket');
  const url = new URL('redis://socket');
  url.username = encodeURIComponent(params.get('username') ?? '');
  url.password = encodeURIComponent(params.get('password') ?? '');
  const database = params.get('db');
  if (database !== null) url.pathname = `/${database}`;
  return url;
}

function schemeOf({ protocol }: URL): string {
  return protocol.replace('postgresql', 'postgres').replace('rediss', 'redis');
}

export function protocolOf(address: string): Route['protocol'] {
  const scheme = schemeOf(urlOf(address));
  return scheme === 'postgres:' ? 'postgres' : scheme === 'redis:' ? 'resp' : 'http';
}

export function upstreamOf(address: string): Upstream {
  if (isRedisSocket(address)) return { path: address.split('?')[0]! };
  const url = new URL(address);
  const port = Number(url.port) || (DEFAULT_PORTS[schemeOf(url)] ?? 80);
  const host = decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '');
  if (host.startsWith('/')) return { path: `${host}/.s.PGSQL.${port}` };
  return url.protocol === 'rediss:' ? { host, port, tls: true } : { host, port };
}

/** The proxy speaks TLS with a Redis behind it and plain RESP with the client, so that it can read what it forwards. */
export function withEndpoint(address: string, { host, port }: Endpoint): string {
  const url = urlOf(address);
  url.hostname = host;
  url.port = String(port);
  const text = url.toString().replace(/^rediss:/, 'redis:');
  // A URL without a path gets one here; clients append theirs.
  return address.endsWith('/') ? text : text.replace(/\/$/, '');
}
