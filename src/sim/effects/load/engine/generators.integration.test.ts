import type { IncomingMessage, RequestListener } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../../history.ts';
import { NO_FREE_USER } from '../../../pure/judge/machine-limits.ts';
import { LOAD_TOOLS, type LoadTool } from '../../../pure/load/load-tool.ts';
import type { OperationTemplate } from '../../../pure/load/workload.ts';
import { findProgram } from '../../process/find-program.ts';
import { freePort } from '../../process/free-port.ts';
import { account, constant, type LoadBed, makeLoadBed } from '../fixtures/load-bed.ts';

/** What the stub server got, by request id. */
const got = new Map<string, { method: string; url: string; user: string; body: string }[]>();
let bed: LoadBed;
beforeEach(async () => {
  got.clear();
  bed = await makeLoadBed();
});
afterEach(() => bed.remove());

const hasK6 = findProgram('k6') !== null;
if (!hasK6) console.warn('skipped: k6 is not on PATH (go install go.k6.io/k6@latest)');

const read: OperationTemplate = { name: 'read', weight: 3, method: 'GET', path: '/items/{id}' };
const body = { text: 'for {id}: "{op}" \u00fc' };
const write: OperationTemplate = { name: 'write', weight: 1, method: 'POST', path: '/items', body };
const peek: OperationTemplate = {
  name: 'peek',
  weight: 1,
  method: 'GET',
  path: '/peek',
  anonymous: true,
  capture: true,
};
const mix = [read, write, peek];

function listener(answer: (request: IncomingMessage) => number): RequestListener {
  return (request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const id = String(headers['x-request-id']);
      const seen = { method, url, user: String(headers['x-user'] ?? ''), body: text };
      got.set(id, [...(got.get(id) ?? []), seen]);
      const status = answer(request);
      if (status === 0) return;
      response.writeHead(status).end(JSON.stringify({ id }));
    });
  };
}

const RATE = 100;
const DURATION_MS = 2_000;
const PLANNED = (RATE * DURATION_MS) / 1_000;

async function play(
  load: LoadTool,
  answer: (request: IncomingMessage) => number,
  options: { operations?: readonly OperationTemplate[]; timeoutMs?: number } = {},
): Promise<OperationRecord[]> {
  const port = await bed.serve(listener(answer));
  const { operations = mix, timeoutMs = 2_000 } = options;
  const sender = await bed.start(port, { load, timeoutMs }, [account('u0'), account('u1')]);
  const workload = constant(RATE, DURATION_MS, operations);
  await sender.prepare(workload, 1);
  const run = await sender.run('judged', workload, 1);
  const totals = await sender.totals();
  await sender.close();
  const records = await bed.operations();
  expect(run).toMatchObject({ phase: 'judged', planned: records.length, retries: 0 });
  expect(totals).toMatchObject({ planned: records.length, recorded: records.length });
  expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
  return records;
}

for (const tool of LOAD_TOOLS) {
  describe.skipIf(tool === 'k6' && !hasK6)(tool, () => {
    it('sends the planned requests with their ids', async () => {
      const records = await play(tool, () => 200);
      // k6 begins one more than its rate says.
      expect(records.length - PLANNED).toBeGreaterThanOrEqual(0);
      expect(records.length - PLANNED).toBeLessThanOrEqual(tool === 'k6' ? 1 : 0);
      expect(got.size).toBe(records.length);
      for (const one of records) {
        expect(one).toMatchObject({ phase: 'judged', outcome: 'ok', status: 200 });
        expect(got.get(one.requestId)).toEqual([
          {
            read: { method: 'GET', url: `/items/${one.user}`, user: one.user, body: '' },
            write: {
              method: 'POST',
              url: '/items',
              user: one.user,
              body: JSON.stringify({ text: `for ${one.user}: "${one.id}" \u00fc` }),
            },
            peek: { method: 'GET', url: '/peek', user: '', body: '' },
          }[one.name],
        ]);
        const captured = one.name === 'peek' ? JSON.stringify({ id: one.requestId }) : undefined;
        expect(one.body).toBe(captured);
        expect(one.scheduledUs).toBeLessThanOrEqual(one.sentUs);
        expect(one.sentUs).toBeLessThanOrEqual(one.doneUs);
        if (tool !== 'undici') expect(one.scheduledUs).toBe(one.sentUs);
      }
      expect(new Set(records.map(({ name }) => name)).size).toBe(mix.length);
      expect(new Set(records.map(({ user }) => user))).toEqual(new Set(['', 'u0', 'u1']));
      const spanUs = records.at(-1)!.sentUs - records[0]!.sentUs;
      expect(spanUs).toBeGreaterThan((DURATION_MS * 1_000) / 4);
      expect(spanUs).toBeLessThan(DURATION_MS * 2_000);
    });

    it('classifies answers by the same outcome table', async () => {
      let count = 0;
      const silent: string[] = [];
      const statuses = [200, 404, 503, 302, 429];
      const records = await play(
        tool,
        (request) => {
          count += 1;
          if (count % 40 !== 0) return statuses[count % statuses.length]!;
          silent.push(String(request.headers['x-request-id']));
          return 0;
        },
        { operations: [read], timeoutMs: 1_000 },
      );
      const outcomes = new Map(records.map((one) => [one.requestId, one]));
      for (const id of silent) {
        const { outcome, status, error, sentUs, doneUs } = outcomes.get(id)!;
        expect({ outcome, status }).toEqual({ outcome: 'unknown', status: 0 });
        if (error === 'timeout') expect(doneUs - sentUs).toBeGreaterThan(900_000);
        // autocannon ends with its time, whatever is in flight.
        else expect([tool, error]).toEqual(['autocannon', 'cut off']);
      }
      const answered = records.filter(({ status }) => status !== 0);
      expect(answered.length).toBeGreaterThan(PLANNED / 2);
      for (const { status, outcome, error } of answered) {
        const expected = status < 400 ? 'ok' : status < 500 ? 'fail' : 'unknown';
        expect(outcome).toBe(expected);
        expect(error).toBe(expected === 'ok' ? undefined : `http ${status}`);
      }
    });

    it('records a lost connection as an unknown outcome', async () => {
      let count = 0;
      const lost: string[] = [];
      const records = await play(
        tool,
        (request) => {
          count += 1;
          if (count % 20 !== 0) return 201;
          lost.push(String(request.headers['x-request-id']));
          request.socket.destroy();
          return 0;
        },
        { operations: [write] },
      );
      expect(lost.length).toBeGreaterThan(5);
      for (const one of records) {
        const outcome = lost.includes(one.requestId) ? 'unknown' : 'ok';
        expect(one).toMatchObject({ outcome, status: outcome === 'ok' ? 201 : 0 });
      }
    });

    it('records refused connections as failures', async () => {
      const port = await freePort();
      const sender = await bed.start(port, { load: tool, timeoutMs: 1_000 });
      await sender.run('judged', constant(20, 1_000, [read]), 1);
      await sender.close();
      const records = await bed.operations();
      expect(records.length).toBeGreaterThanOrEqual(20);
      for (const one of records) {
        expect(one).toMatchObject({ outcome: 'fail', status: 0, sentUs: -1 });
        expect(['ECONNREFUSED', 'never sent']).toContain(one.error);
      }
    });

    it('ends a load early', async () => {
      const port = await bed.serve(listener(() => 200));
      const sender = await bed.start(port, { load: tool });
      const workload = constant(50, 60_000, [read]);
      await sender.prepare(workload, 1);
      const running = sender.run('judged', workload, 1);
      await sleep(1_000);
      await sender.stop(0);
      const run = await running;
      expect(run.planned).toBeGreaterThan(0);
      expect(run.planned).toBeLessThan(1_000);
      await sender.close();
      expect(await bed.operations()).toHaveLength(run.planned);
    });
  });
}

describe('a planned request that was not sent', () => {
  it.skipIf(!hasK6)('is recorded when k6 has no free virtual user', async () => {
    // More than its thousand users can hold: each waits two seconds for nothing.
    const port = await bed.serve(() => {});
    const sender = await bed.start(port, { load: 'k6', timeoutMs: 2_000 });
    const run = await sender.run('judged', constant(700, 2_000, [read]), 1);
    await sender.close();
    const records = await bed.operations();
    expect(run.planned).toBeGreaterThanOrEqual(1_400);
    const never = records.filter(({ error }) => error === NO_FREE_USER);
    expect(never.length).toBeGreaterThan(100);
    for (const one of never) {
      expect(one).toMatchObject({ outcome: 'fail', sentUs: -1 });
      expect(one.doneUs).toBeGreaterThan(one.scheduledUs);
    }
  });

  it('is recorded when all connections of autocannon wait for answers', async () => {
    const port = await bed.serve((_, response) => setTimeout(() => response.end('x'), 500));
    const sender = await bed.start(port, { load: 'autocannon', timeoutMs: 2_000 });
    const run = await sender.run('judged', constant(100, 2_000, [read]), 1);
    await sender.close();
    expect(run.planned).toBe(200);
    const records = await bed.operations();
    const cut = records.filter(({ error }) => error === 'cut off');
    const never = records.filter(({ error }) => error === 'never sent');
    // Ten connections, two answers a second each.
    expect(records.length - never.length).toBeLessThan(70);
    expect(cut.length).toBeLessThanOrEqual(10);
    expect(never.length).toBeGreaterThan(100);
  });
});
