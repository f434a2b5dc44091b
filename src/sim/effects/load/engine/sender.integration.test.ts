import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { littlesLaw } from '../../../pure/judge/littles-law.ts';
import type { UsersWorkload } from '../../../pure/load/workload.ts';
import { summarize } from '../../../pure/measure/histogram.ts';
import { ChildFailure } from '../../process/child-process.ts';
import { distModule } from '../../process/package-root.ts';
import { account, constant, type LoadBed, makeLoadBed, read } from '../fixtures/load-bed.ts';

let bed: LoadBed;
beforeEach(async () => {
  bed = await makeLoadBed();
});
afterEach(() => bed.remove());

const serveFast = () => bed.serve((_, response) => response.end('x'));
const users = (part: Partial<UsersWorkload>): UsersWorkload => ({
  kind: 'users',
  users: 5,
  think: { meanMs: 50, shape: 4 },
  startBusy: 2,
  durationMs: 3_000,
  operations: [read],
  ...part,
});

describe('an open load', () => {
  it('records every planned arrival of an overloaded server, and its tail grows with the run', async () => {
    const port = await bed.serve((_, response) => setTimeout(() => response.end('x'), 100));
    const tailUs = async (phase: string, durationMs: number) => {
      const sender = await bed.start(port, { maxConnections: 1, timeoutMs: 20_000 });
      const planned = durationMs / 20;
      const run = await sender.run(phase, constant(50, durationMs), 1);
      expect(run).toMatchObject({ planned, recorded: planned });
      await sender.close();
      const operations = (await bed.operations()).filter((one) => one.phase === phase);
      expect(operations.filter((one) => one.outcome === 'ok')).toHaveLength(planned);
      return summarize(operations.map((one) => one.doneUs - one.scheduledUs)).maxUs;
    };
    // One connection serves 10/s of 50/s: the last arrival of t seconds waits about 4 t.
    const shortUs = await tailUs('short', 400);
    const longUs = await tailUs('long', 1_000);
    expect(shortUs).toBeGreaterThan(1_200_000);
    expect(longUs).toBeGreaterThan(1.7 * shortUs);
  });

  it('shows a stall as its closed form predicts', async () => {
    // The bench proves it to 5 %; this keeps it from breaking unnoticed.
    let stalledUntilMs = 0;
    const port = await bed.serve((_, response) => {
      setTimeout(() => response.end('x'), Math.max(0, stalledUntilMs - performance.now()));
    });
    const sender = await bed.start(port);
    const running = sender.run('steady', constant(200, 4_000), 1);
    await sleep(1_500);
    stalledUntilMs = performance.now() + 800;
    await running;
    const operations = await bed.operations();
    expect(operations).toHaveLength(800);
    const reported = summarize(operations.map((one) => one.doneUs - one.scheduledUs));
    const expectedUs = 800_000 * (1 - 0.05 / (800 / 4_000));
    expect(reported.p95Us).toBeGreaterThan(0.75 * expectedUs);
    expect(reported.p95Us).toBeLessThan(1.25 * expectedUs);
  });

  it('sends the same requests for the same seed, whatever the answers', async () => {
    const operations = [read, { ...read, name: 'write', method: 'POST' as const, weight: 2 }];
    const requestsOf = async (seed: number, delayMs: number) => {
      const port = await bed.serve((_, response) => setTimeout(() => response.end('x'), delayMs));
      const sender = await bed.start(port);
      const { startedUs } = await sender.run(
        `seed ${seed} ${delayMs}`,
        constant(200, 500, operations),
        seed,
      );
      await sender.close();
      return (await bed.operations())
        .filter((one) => one.phase === `seed ${seed} ${delayMs}`)
        .map((one) => [one.id, one.name, one.user, one.requestId, one.scheduledUs - startedUs]);
    };
    const first = await requestsOf(3, 0);
    expect(first).toHaveLength(100);
    expect(await requestsOf(3, 30)).toEqual(first);
    expect(await requestsOf(4, 0)).not.toEqual(first);
  });

  it('relabels operations from one instant on, without a gap', async () => {
    const sender = await bed.start(await serveFast());
    const running = sender.run('before', constant(200, 1_000), 1);
    await sleep(500);
    const atUs = await sender.phase('after');
    expect(await running).toMatchObject({ phase: 'after', planned: 200, recorded: 200 });
    const operations = await bed.operations();
    expect(new Set(operations.map((one) => one.phase)).size).toBe(2);
    for (const one of operations) {
      expect(one.phase).toBe(one.scheduledUs >= atUs ? 'after' : 'before');
    }
  });

  it('stops with a grace period for operations in flight, then gives them up', async () => {
    let held = 0;
    const port = await bed.serve((_, response) => {
      held += 1;
      if (held % 2 === 0) setTimeout(() => response.end('x'), 200);
    });
    const sender = await bed.start(port, { timeoutMs: 30_000 });
    const running = sender.run('steady', constant(100, 60_000), 1);
    await sleep(600);
    await sender.stop(1_000);
    const run = await running;
    expect(run.recorded).toBe(run.planned);
    const operations = await bed.operations();
    expect(operations).toHaveLength(run.planned);
    expect(operations.length).toBeLessThan(3_000);
    const latest = operations.at(-1)!.scheduledUs;
    const answered = operations.filter((one) => one.outcome === 'ok').length;
    expect(answered).toBe(Math.floor(operations.length / 2));
    for (const one of operations.filter(({ outcome }) => outcome !== 'ok')) {
      expect(one).toMatchObject({ outcome: 'unknown', error: 'timeout' });
      expect(one.doneUs).toBeGreaterThan(latest);
    }
  });

  it('counts in its totals what it recorded, over several loads', async () => {
    const sender = await bed.start(await serveFast());
    for (const seed of [1, 2]) await sender.run('steady', constant(100, 200), seed);
    const totals = await sender.totals();
    expect(totals).toMatchObject({ planned: 40, recorded: 40, completed: 40 });
    const operations = await bed.operations();
    const sumUs = operations.reduce((sum, one) => sum + one.doneUs - one.scheduledUs, 0);
    expect(totals.responseSumUs).toBe(sumUs);
    expect(littlesLaw(operations, totals)).toMatchObject({
      ok: true,
      measured: '40 records, exact',
    });
  });
});

describe('a population of users', () => {
  it('grows and shrinks while it runs; each user has one request at a time', async () => {
    const inFlight = new Map<string, number>();
    let most = 0;
    const snapshots: string[][] = [];
    let window: string[] = [];
    const port = await bed.serve((request, response) => {
      const user = String(request.headers['x-user']);
      window.push(user);
      inFlight.set(user, (inFlight.get(user) ?? 0) + 1);
      most = Math.max(most, inFlight.get(user)!);
      setTimeout(() => {
        inFlight.set(user, inFlight.get(user)! - 1);
        response.end('x');
      }, 10);
    });
    const names = Array.from({ length: 40 }, (_, index) => account(`u${index}`));
    const sender = await bed.start(port, {}, names);
    const running = sender.run('steady', users({}), 1);
    for (const count of [30, 2]) {
      await sleep(700);
      snapshots.push([...window]);
      await sender.users(count);
      await sleep(300); // Whoever leaves may still finish what he has sent.
      window = [];
    }
    await running;
    snapshots.push(window);
    expect(snapshots.map((requestsOf) => new Set(requestsOf).size)).toEqual([5, 30, 2]);
    expect(most).toBe(1);
    expect(new Set(snapshots[2])).toEqual(new Set(['u0', 'u1']));
  });

  it('ends when every user has an answer', async () => {
    const sender = await bed.start(await serveFast());
    const run = await sender.run('steady', users({ durationMs: 500 }), 1);
    expect(run.recorded).toBe(run.planned);
    expect(await bed.operations()).toHaveLength(run.planned);
    expect(run.planned).toBeGreaterThan(10);
  });
});

describe('the process', () => {
  it('that is killed rejects the pending call with the path of its log', async () => {
    const sender = await bed.start(await serveFast());
    const running = sender.run('steady', constant(100, 30_000), 1);
    const failed = running.catch((error: unknown) => error);
    await sleep(300);
    process.kill(sender.pid, 'SIGKILL');
    const error = await failed;
    expect(error).toBeInstanceOf(ChildFailure);
    expect((error as Error).message).toContain('killed by SIGKILL');
    expect((error as Error).message).toContain(bed.logFile);
    await expect(sender.totals()).rejects.toThrow('killed by SIGKILL');
    await sender.close();
  });

  it('reports an error for a load it cannot play', async () => {
    const sender = await bed.start(await serveFast());
    const impossible = constant(10, 100, [{ ...read, path: '/{nothing}' }]);
    await expect(sender.run('steady', impossible, 1)).rejects.toThrow('has no {nothing}');
  });

  it('does not start on a header that cannot be sent', async () => {
    const bad = { ...account('u0'), headers: { cookie: 'a\nb' } };
    await expect(bed.start(await serveFast(), {}, [bad])).rejects.toThrow('cannot be sent');
  });

  it('closes twice without harm', async () => {
    const sender = await bed.start(await serveFast());
    await Promise.all([sender.close(), sender.close()]);
    await sender.close();
    expect(() => process.kill(sender.pid, 0)).toThrow('ESRCH');
  });

  it('exits when the channel to its parent closes', async () => {
    const module = distModule('sim/effects/load/engine/sender-process.js');
    const child = spawn(process.execPath, [module], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(10_000) });
    await once(child, 'spawn');
    child.disconnect();
    expect(await exited).toEqual([0, null]);
  });
});
