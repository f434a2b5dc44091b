import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { constant, type LoadBed, makeLoadBed, read } from '../fixtures/load-bed.ts';

let bed: LoadBed;
beforeEach(async () => {
  bed = await makeLoadBed();
});
afterEach(() => bed.remove());

describe('several processes of the service', () => {
  it('each get the operations drawn for them, and the history names the target', async () => {
    const requestsByTarget: string[][] = [[], [], []];
    const ports = await Promise.all(
      requestsByTarget.map((list) =>
        bed.serve((request, response) => {
          list.push(String(request.headers['x-request-id']));
          expect(request.headers.host).toBe(`127.0.0.1:${request.socket.localPort}`);
          response.end('x');
        }),
      ),
    );
    const sender = await bed.start(ports);
    await sender.run('steady', constant(300, 500), 1);
    const operations = await bed.operations();
    expect(operations).toHaveLength(150);
    for (const [index, list] of requestsByTarget.entries()) {
      const named = operations.filter((one) => one.target === `server.${index + 1}`);
      expect(named.map((one) => one.requestId).sort()).toEqual(list.sort());
      expect(list.length).toBeGreaterThan(20);
    }
    await sender.run('again', constant(300, 500), 1);
    const targets = (await bed.operations()).map((one) => one.target);
    expect(targets.slice(150)).toEqual(targets.slice(0, 150));
  });

  it('are not named when there is only one', async () => {
    const sender = await bed.start(await bed.serve((_, response) => response.end('x')));
    await sender.run('steady', constant(100, 100), 1);
    for (const one of await bed.operations()) expect(one).not.toHaveProperty('target');
  });

  it('have separate connections: a hanging one does not block the other', async () => {
    const hangs = await bed.serve(() => {});
    const answers = await bed.serve((_, response) => response.end('x'));
    const sender = await bed.start([hangs, answers], { timeoutMs: 500, maxConnections: 1 });
    await sender.run('steady', constant(200, 500), 1);
    for (const one of await bed.operations()) {
      expect(one.outcome === 'ok').toBe(one.target === 'server.2');
    }
  });
});

describe('an acknowledgement', () => {
  const operations = [read, { ...read, name: 'refused', path: '/refused' }];
  const serve = () =>
    bed.serve((request, response) => {
      response.writeHead(request.url === '/refused' ? 409 : 200).end('x');
    });

  it('is the first ok answer of its name after the request, for every waiter', async () => {
    const sender = await bed.start(await serve());
    const running = sender.run('steady', constant(200, 1_000, operations), 1);
    await sleep(400);
    const refused = sender.waitForAcknowledged('refused').catch((error: Error) => error.message);
    const [one, other] = await Promise.all([
      sender.waitForAcknowledged('read'),
      sender.waitForAcknowledged('read'),
    ]);
    await running;
    expect(other).toEqual(one);
    const records = await bed.operations();
    const meant = records.find((record) => record.requestId === one.requestId)!;
    expect(meant).toMatchObject({ name: 'read', outcome: 'ok', doneUs: one.atUs });
    expect(records.filter((record) => record.doneUs < one.atUs).length).toBeGreaterThan(10);
    await sender.close();
    expect(await refused).toBe('the sender was closed');
  });

  it('is waited for up to the limit, and a late one resolves no other waiter', async () => {
    const sender = await bed.start(await serve());
    await expect(sender.waitForAcknowledged('read', 100)).rejects.toThrow('within 0.1 s');
    const next = sender.waitForAcknowledged('read');
    await sender.run('steady', constant(100, 100), 1);
    const [first] = await bed.operations();
    expect(await next).toEqual({ atUs: first!.doneUs, requestId: first!.requestId });
  });
});
