/**
 * The generators ours is compared with, each in a process of its own: autocannon as a library, and the smallest
 * fixed-rate loop over undici's Pool. One message in ({ port, seconds, ratePerSecond, connections }), one round of
 * load, one message out ({ answered }). Ends with the channel.
 */
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
