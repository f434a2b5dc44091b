/**
 * Does a route carry a request and its answer? Asked from outside, through the listening port, in the protocol's
 * smallest exchange that needs no account and changes nothing.
 */
import { connect } from 'node:net';
import type { Protocol } from './frames.ts';
import type { BaseLatency, Endpoint, Route } from './protocol.ts';

/** Beside the route's own latency. */
const LIMIT_MS = 1_000;

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** The longest round trip a route's own latency can make. */
export const longestMs = (base: BaseLatency | null): number =>
  base === null ? 0 : base.roundTripMs + base.jitterMs;

/** Any answer proves the way there and back; a server that is loading still says so. */
const EXCHANGES: Readonly<Record<Protocol, { ask: Buffer; answer: RegExp }>> = {
  http: {
    ask: Buffer.from('OPTIONS * HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n'),
    answer: /^HTTP\/1\.[01] \d/,
  },
  resp: { ask: Buffer.from('PING\r\n'), answer: /^(?:\+PONG|-NOAUTH)/ },
  postgres: { ask: SSL_REQUEST, answer: /^[SN]/ },
};

export function probeRoute(at: Endpoint, { protocol, base }: Route): Promise<boolean> {
  const { ask, answer } = EXCHANGES[protocol];
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ ...at });
    const settle = (passed: boolean) => {
      clearTimeout(limit);
      socket.destroy();
      resolve(passed);
    };
    const limit = setTimeout(() => settle(false), LIMIT_MS + longestMs(base));
    socket.on('connect', () => socket.write(ask));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1', 0, 64);
      if (answer.test(text)) settle(true);
    });
    for (const event of ['end', 'error']) socket.on(event, () => settle(answer.test(text)));
  });
}
