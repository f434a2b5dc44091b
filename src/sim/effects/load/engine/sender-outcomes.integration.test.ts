import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../../history.ts';
import { freePort } from '../../process/free-port.ts';
import { constant, type LoadBed, makeLoadBed, read } from '../fixtures/load-bed.ts';

// One way for a server to misbehave in each test, and what the history may claim afterwards.
let bed: LoadBed;
beforeEach(async () => {
  bed = await makeLoadBed();
});
afterEach(() => bed.remove());

const summary = (operations: readonly OperationRecord[]) =>
  [...new Set(operations.map((one) => `${one.outcome} ${one.status} ${one.error ?? ''}`.trim()))]
    .sort()
    .join(', ');

/** 20 operations; the outcome of all of them as one sentence. */
async function outcomesAt(port: number, options = {}): Promise<string> {
  const sender = await bed.start(port, options);
  const run = await sender.run('steady', constant(100, 200), 1);
  expect(run).toMatchObject({ planned: 20, recorded: 20 });
  const operations = await bed.operations();
  expect(operations.map((one) => one.id)).toEqual(Array.from({ length: 20 }, (_, id) => id));
  for (const one of operations) expect(one.doneUs).toBeGreaterThanOrEqual(one.scheduledUs);
  return summary(operations);
}

describe('the outcome of an operation', () => {
  it.each([
    [200, 'ok 200'],
    [302, 'ok 302'],
    [404, 'fail 404 http 404'],
    [429, 'fail 429 http 429'],
    [500, 'unknown 500 http 500'],
    [503, 'unknown 503 http 503'],
  ])('of status %i', async (status, expected) => {
    const port = await bed.serve((_, response) => response.writeHead(status).end('x'));
    expect(await outcomesAt(port)).toBe(expected);
  });

  it('is a failure when the connection was refused: nothing can have happened', async () => {
    expect(await outcomesAt(await freePort())).toBe('fail 0 ECONNREFUSED');
    for (const one of await bed.operations()) expect(one.sentUs).toBe(-1);
  });

  it('is unknown when the server never answers', async () => {
    const port = await bed.serve(() => {});
    expect(await outcomesAt(port, { timeoutMs: 300 })).toBe('unknown 0 timeout');
    for (const one of await bed.operations()) {
      expect(one.doneUs - one.scheduledUs).toBeGreaterThanOrEqual(300_000);
      expect(one.doneUs - one.scheduledUs).toBeLessThan(2_000_000);
    }
  });

  it('waits as long as the operation says, whatever the others wait', async () => {
    const port = await bed.serve((request, response) => {
      if (request.url !== '/never') setTimeout(() => response.end('x'), 600);
    });
    const sender = await bed.start(port, { timeoutMs: 300 });
    const operations = [
      { ...read, name: 'impatient' },
      { ...read, name: 'patient', timeoutMs: 5_000 },
      { ...read, name: 'in vain', timeoutMs: 900, path: '/never' },
    ];
    await sender.run('steady', constant(100, 300, operations), 1);
    const all = await bed.operations();
    const named = (name: string) => all.filter((one) => one.name === name);
    expect(summary(named('impatient'))).toBe('unknown 0 timeout');
    expect(summary(named('patient'))).toBe('ok 200');
    expect(summary(named('in vain'))).toBe('unknown 0 timeout');
    for (const one of named('in vain'))
      expect(one.doneUs - one.scheduledUs).toBeGreaterThanOrEqual(900_000);
  });

  it('is unknown when the connection was reset after the request was sent', async () => {
    const port = await bed.serveTcp((socket) =>
      socket.once('data', () => socket.resetAndDestroy()),
    );
    expect(await outcomesAt(port)).toBe('unknown 0 ECONNRESET');
  });

  it('is unknown when the answer was cut off, and keeps the status it had', async () => {
    const port = await bed.serveTcp((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')),
    );
    expect(await outcomesAt(port)).toBe('unknown 200 closed by server');
  });

  it('is unknown when the answer is not HTTP', async () => {
    const port = await bed.serveTcp((socket) =>
      socket.once('data', () => socket.write('220 mail ready\r\n\r\n')),
    );
    expect(await outcomesAt(port)).toBe('unknown 0 bad response');
  });

  it('is ok when the body ends with the connection', async () => {
    const port = await bed.serveTcp((socket) =>
      socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nwhole')),
    );
    expect(await outcomesAt(port)).toBe('ok 200');
  });

  it('survives a server that closes its idle connections', async () => {
    const port = await bed.serve((_, response) => response.end('x'), 1_000);
    const sender = await bed.start(port);
    for (const seed of [1, 2]) {
      await sender.run('steady', constant(50, 100), seed);
      if (seed === 1) await sleep(2_500);
    }
    expect(summary(await bed.operations())).toBe('ok 200');
    expect(await bed.operations()).toHaveLength(10);
  });

  it('is a failure, never sent, when the limit of operations in flight refused it', async () => {
    const port = await bed.serve(() => {});
    expect(await outcomesAt(port, { timeoutMs: 300, maxInFlight: 5 })).toBe(
      'fail 0 never sent, unknown 0 timeout',
    );
    const unsent = (await bed.operations()).filter((one) => one.sentUs === -1);
    expect(unsent).toHaveLength(15);
    // Recorded at its deadline, not at once: a refusal must not look fast.
    for (const one of unsent) {
      expect(one.doneUs - one.scheduledUs).toBeGreaterThanOrEqual(300_000);
    }
  });
});

describe('a captured body', () => {
  const captured = { ...read, capture: true };

  it('is kept whole when it is small, and only where the template asks', async () => {
    const port = await bed.serve((request, response) => response.end(`{"at":"${request.url}"}`));
    const sender = await bed.start(port);
    const operations = [
      { ...captured, path: '/kept/{id}' },
      { ...read, name: 'plain' },
    ];
    await sender.run('steady', constant(100, 200, operations), 1);
    for (const one of await bed.operations()) {
      expect(one.body).toBe(one.name === 'read' ? `{"at":"/kept/${one.user}"}` : undefined);
    }
  });

  it('is bounded at 64 kB', async () => {
    const port = await bed.serve((_, response) => response.end('x'.repeat(300_000)));
    const sender = await bed.start(port);
    await sender.run('steady', constant(20, 200, [captured]), 1);
    const operations = await bed.operations();
    expect(summary(operations)).toBe('ok 200');
    expect(operations.map((one) => one.body?.length)).toEqual(operations.map(() => 65_536));
  });
});
