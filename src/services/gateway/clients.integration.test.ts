// What a gateway's pool does while PostgreSQL refuses connections, on sockets: how often it asks, and that it comes back.
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { sharedStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import { findDesign } from '../lineage.ts';
import { openDatabase } from './clients.ts';

const { postgres } = sharedStores('clients');
const { database: design } = findDesign('turn4.after');

/** 57P03, as a server answers that is starting: an ErrorResponse of PostgreSQL's protocol. */
function startingUp(): Buffer {
  const fields = 'SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0';
  const message = Buffer.alloc(5 + fields.length);
  message.write('E');
  message.writeInt32BE(4 + fields.length, 1);
  message.write(fields, 5);
  return message;
}

it('asks a PostgreSQL that is starting for few connections, and uses it once it has started', async () => {
  let isUp = false;
  let attempts = 0;
  const target = new URL(postgres.url);
  const server = net.createServer((socket) => {
    attempts += 1;
    socket.on('error', () => {});
    if (!isUp) {
      socket.once('data', () => socket.end(startingUp()));
      return;
    }
    const upstream = net.connect(Number(target.port), target.hostname);
    upstream.on('error', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const url = new URL(postgres.url);
  url.port = String(port);
  const db = openDatabase({
    databaseUrl: url.toString(),
    design,
    applicationName: 'clients',
    onConnectionError: () => {},
  });
  onTestFinished(async () => {
    await db.close();
    server.close();
  });
  const ask = () => db.query<{ one: number }>({ text: 'SELECT 1 AS one' });

  const REQUESTS = 200;
  for (let request = 0; request < REQUESTS; request += 1) {
    await expect(ask()).rejects.toMatchObject({ code: 'database-unavailable' });
    await delay(1);
  }
  expect(attempts).toBeGreaterThan(1);
  expect(attempts).toBeLessThan(REQUESTS / 4);

  isUp = true;
  await expect.poll(() => ask().catch(() => []), { timeout: 5_000 }).toEqual([{ one: 1 }]);
});
