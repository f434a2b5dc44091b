/**
 * The server the benches load, in a process of its own. `serviceUs` makes it a single server queue of exactly
 * known capacity that burns no CPU: an answer leaves `serviceUs` after the one before it, or after its request
 * if that was later. 0 answers at once. Tells its port over IPC and ends with the channel.
 */
import { createServer } from 'node:http';

const serviceUs = Number(process.argv[2] ?? 0);
const TICK_MS = 1;

/** @type {{ dueUs: number, response: import('node:http').ServerResponse }[]} */
let waiting = [];
let freeAtUs = 0;

const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
  if (serviceUs === 0) {
    response.end('ok');
    return;
  }
  const nowUs = performance.now() * 1000;
  freeAtUs = Math.max(freeAtUs, nowUs) + serviceUs;
  waiting.push({ dueUs: freeAtUs, response });
});

if (serviceUs > 0) {
  setInterval(() => {
    const nowUs = performance.now() * 1000;
    const ready = waiting.findIndex(({ dueUs }) => dueUs > nowUs);
    const done = ready === -1 ? waiting.length : ready;
    for (const { response } of waiting.slice(0, done)) response.end('ok');
    waiting = waiting.slice(done);
  }, TICK_MS);
}

server.listen(0, '127.0.0.1', () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  process.send?.({ port: address.port });
});
process.on('disconnect', () => process.exit());
