/**
 * Probes whether a route carries a request and its reply: through the listening port, with the protocol's smallest
 * exchange that needs no account and changes nothing.
 */
import { connect } from 'node:net';
import type { Protocol } from './frames.ts';
import type { BaseLatency, Endpoint, Route } from './protocol.ts';

/** In addition to the route's own latency. */
const LIMIT_MS = 1_000;

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** The longest round trip that a route's own latency causes. */
export const maxRoundTripMs = (base: BaseLatency | null): number =>
  base === null ? 0 : base.roundTripMs + base.jitterMs;

/** Any reply proves both directions; also a server that is still loading replies. */
const EXCHANGES: Readonly<Record<Protocol, { request: Buffer; reply: RegExp }>> = {
  http: {
    request: Buffer.from('OPTIONS * HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n'),
    reply: /^HTTP\/1\.[01] \d/,
  },
  resp: { request: Buffer.from('PING\r\n'), reply: /^(?:\+PONG|-NOAUTH)/ },
  postgres: { request: SSL_REQUEST, reply: /^[SN]/ },
};

export function probeRoute(at: Endpoint, { protocol, base }: Route): Promise<boolean> {
  const { request, reply } = EXCHANGES[protocol];
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ ...at });
    const settle = (passed: boolean) => {
      clearTimeout(limit);
      socket.destroy();
      resolve(passed);
    };
    const limit = setTimeout(() => settle(false), LIMIT_MS + maxRoundTripMs(base));
    socket.on('connect', () => socket.write(request));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1', 0, 64);
      if (reply.test(text)) settle(true);
    });
    for (const event of ['end', 'error']) socket.on(event, () => settle(reply.test(text)));
  });
}
