/**
 * The load of the hot path, in a process of its own: each connection goes round its own part of the accounts. Takes
 * {url, accounts, connections, durationMs} over IPC, one after the other, answers what autocannon saw, and ends with
 * the channel.
 */
import autocannon from 'autocannon';

process.on('message', async (/** @type {any} */ { url, accounts, connections, durationMs }) => {
  let next = 0;
  const result = await autocannon({
    url: `${url}/session`,
    connections,
    duration: durationMs / 1_000,
    setupClient(client) {
      const first = next;
      next += 1;
      client.setRequests(
        accounts
          .filter((/** @type {object} */ _, /** @type {number} */ i) => i % connections === first)
          .map((/** @type {Record<string, string>} */ headers) => ({ method: 'GET', headers })),
      );
    },
  });
  process.send?.({
    answered: result['2xx'],
    refused: result.non2xx + result.errors,
    seconds: result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
  });
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
