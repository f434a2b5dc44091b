/**
 * REDIS_URL: `redis://` and `rediss://`, with a password as it is, and the forms in which clients write the path of a
 * socket: `unix:///run/redis.sock?db=1`, `redis+unix:`, `redis+socket:`, or the path alone.
 */
import { AddressProblem, readAddress, writeAddress } from './address-text.ts';

const TCP_SCHEMES = ['redis', 'rediss'];
const SOCKET_SCHEMES = ['unix', 'redis+unix', 'redis+socket', 'redis-socket'];

/** In the form that the driver reads: a URL, or the path of a socket with parameters. @throws AddressProblem */
export function normalizeRedisAddress(given: string): string {
  const text = given.trim();
  const parts = readAddress(text.startsWith('/') ? `unix://${text}` : text);
  const { scheme, user, password, hosts, params } = parts;
  if (SOCKET_SCHEMES.includes(scheme)) return writeSocket(parts, hosts.length > 0);
  if (!TCP_SCHEMES.includes(scheme)) throw new AddressProblem('another scheme');
  if (hosts.length > 1)
    throw new AddressProblem(
      'it names several hosts: a run takes one server, not a cluster or sentinels',
    );
  const database = databaseOf(parts.path === '' ? params.get('db') : parts.path);
  const kept = [...params].filter(([key]) => key !== 'db');
  return writeAddress({
    scheme,
    user,
    password,
    host: hosts[0] ?? { host: 'localhost', port: null },
    path: database === null ? '' : `/${database}`,
    params: new Map(kept),
  });
}

function writeSocket(
  { user, password, path, params }: ReturnType<typeof readAddress>,
  hasHost: boolean,
): string {
  if (hasHost)
    throw new AddressProblem('the path of its socket must be absolute: unix:///run/redis.sock');
  if (path === '') throw new AddressProblem('it has no path of a socket');
  if (path.includes('?')) throw new AddressProblem('the path of its socket holds a ?');
  const database = databaseOf(params.get('db'));
  const given = {
    db: database ?? '',
    username: params.get('username') ?? user,
    password: params.get('password') ?? password,
  };
  const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ''));
  return `/${path}${query.size === 0 ? '' : `?${query}`}`;
}

function databaseOf(text: string | undefined): string | null {
  if (text === undefined || text === '') return null;
  if (/^\d{1,6}$/.test(text)) return text;
  throw new AddressProblem('its path is not the number of a database');
}

/** Of a normalized address. */
export const isRedisSocket = (address: string): boolean => address.startsWith('/');
