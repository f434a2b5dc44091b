/** Connections of the proxy to the servers behind it: TCP, TLS (Redis), or the socket of a server on this machine. */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Upstream } from './protocol.ts';

export function connectUpstream(upstream: Upstream): Socket {
  if ('path' in upstream) return connect({ path: upstream.path, allowHalfOpen: true });
  const { host, port, tls } = upstream;
  const at = { host, port, allowHalfOpen: true };
  if (tls !== true) return connect({ ...at, noDelay: true });
  const socket = connectTls({ ...at, servername: isIP(host) === 0 ? host : '' });
  socket.setNoDelay(true);
  return socket;
}

/** Resets where there is a TCP connection of its own; a connecting one, TLS and a socket's file are only closed. */
export function resetUpstream(socket: Socket): void {
  if (socket.connecting) return void socket.destroy();
  try {
    socket.resetAndDestroy();
  } catch {
    socket.destroy();
  }
}
