/**
 * The generators ours is compared with, each in a process of its own: autocannon as a library, at a rate or as
 * fast as its connections are answered, the smallest fixed-rate loop over undici's Pool, and the floor. One message
 * in ({ port, seconds, ratePerSecond, connections }), one round of load, one message out ({ answered }). Ends with
 * the channel.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { Pool } from 'undici';

/** @typedef {{ port: number, seconds: number, ratePerSecond: number, connections: number }} Round */

/** @type {Record<string, (round: Round) => Promise<number>>} */
const clients = {
  async autocannon({ port, seconds, ratePerSecond, connections }) {
    const result = await autocannon({
      url: `http://127.0.0.1:${port}/`,
      connections,
      overallRate: ratePerSecond,
      duration: seconds,
    });
    return result['2xx'];
  },

  /** No rate: the server's capacity is the rate, so it waits for answers as a paced generator does. */
  async paced({ port, seconds, connections }) {
    const url = `http://127.0.0.1:${port}/`;
    return (await autocannon({ url, connections, duration: seconds }))['2xx'];
  },

  /**
   * What our schedule costs before any work is done: the same sends on the same 3 ms, one text for all, answers
   * counted and not read. Each is taken for one read, which holds for the stub's.
   */
  async floor({ port, seconds, ratePerSecond, connections }) {
    const request = `GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nx-request-id: floor-123456\r\n\r\n`;
    const planned = seconds * ratePerSecond;
    /** @type {import('node:net').Socket[]} */
    const idle = [];
    let started = 0;
    let answered = 0;
    const open = async () => {
      const buffer = Buffer.allocUnsafeSlow(16_384);
      const callback = () => {
        answered += 1;
        idle.push(socket);
        return true;
      };
      const onread = { buffer, callback };
      const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
      await once(socket, 'connect');
      idle.push(socket);
    };
    await Promise.all(Array.from({ length: connections }, open));
    const startMs = performance.now();
    while (answered < planned && performance.now() - startMs < (seconds + 5) * 1000) {
      const due = Math.min(planned, ((performance.now() - startMs) / 1000) * ratePerSecond);
      for (; started < due && idle.length > 0; started += 1) idle.pop()?.write(request, 'latin1');
      await sleep(3);
    }
    for (const socket of idle) socket.destroy();
    return answered;
  },

  async undici({ port, seconds, ratePerSecond, connections }) {
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections });
    const planned = seconds * ratePerSecond;
    const startMs = performance.now();
    const pending = new Set();
    let started = 0;
    let answered = 0;
    while (started < planned) {
      const due = Math.min(planned, ((performance.now() - startMs) / 1000) * ratePerSecond);
      for (; started < due; started += 1) {
        const asked = pool.request({ path: '/', method: 'GET' }).then(async ({ body }) => {
          await body.dump();
          answered += 1;
          pending.delete(asked);
        });
        pending.add(asked);
      }
      await sleep(1);
    }
    await Promise.all(pending);
    await pool.close();
    return answered;
  },
};

const client = clients[process.argv[2]];
process.on('message', async (/** @type {Round} */ round) => {
  process.send?.({ answered: await client(round) });
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
