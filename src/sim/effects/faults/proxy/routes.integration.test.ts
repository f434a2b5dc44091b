/** What a route does beside its rule: its own latency, its counter of bytes, and another server behind it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeProxyBed, type ProxyBed, rawClient, route } from './fixtures/proxy-bed.ts';
import type { FaultProxy } from './proxy.ts';

const EDGE = 'client->gateway';
/** Timers fire up to a millisecond early, once on each way. */
const EARLY_MS = 3;

let bed: ProxyBed;
beforeEach(async () => {
  bed = await makeProxyBed();
});
afterEach(() => bed.remove());

const named = (name: string) => bed.serve((_, response) => response.end(name));
const ask = async (proxy: FaultProxy) => {
  const startMs = performance.now();
  const { port } = proxy.addressOf(EDGE);
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
  return { text: await response.text(), tookMs: performance.now() - startMs };
};

describe('an edge with a latency of its own', () => {
  const base = { roundTripMs: 80, jitterMs: 0 };

  it('always has it: a fault adds to it, and undo restores it', async () => {
    const proxy = await bed.start([route('http', await named('here'), { base })]);
    expect((await ask(proxy)).tookMs).toBeGreaterThan(80 - EARLY_MS);
    await proxy.apply(EDGE, [EDGE], { kind: 'latency', meanMs: 120, jitterMs: 0 });
    expect((await ask(proxy)).tookMs).toBeGreaterThan(200 - EARLY_MS);
    expect(await proxy.probe(EDGE)).toBe(true);
    await proxy.clear(EDGE);
    const { tookMs } = await ask(proxy);
    expect(tookMs).toBeGreaterThan(80 - EARLY_MS);
    expect(await proxy.probe(EDGE)).toBe(true);
  });

  it('still delays bytes by its own latency when the rule that held them is cleared', async () => {
    const upstream = await bed.serveTcp((socket) => void socket.pipe(socket));
    const slow = { roundTripMs: 600, jitterMs: 0 };
    const proxy = await bed.start([route('http', upstream, { base: slow })]);
    await proxy.apply(EDGE, [EDGE], { kind: 'latency', meanMs: 120_000, jitterMs: 0 });
    const client = await rawClient(proxy.addressOf(EDGE).port);
    const startMs = performance.now();
    client.send('echo');
    await proxy.clear(EDGE);
    expect(await client.until(4)).toBe('echo');
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThan(600 - EARLY_MS);
    client.send('again');
    expect(await client.until(9)).toBe('echoagain');
    expect(performance.now() - startMs).toBeGreaterThan(2 * (600 - EARLY_MS));
    client.socket.destroy();
  });

  it('is added to a limited bandwidth', async () => {
    const proxy = await bed.start([route('http', await named('x'.repeat(5_000)), { base })]);
    await proxy.apply(EDGE, [EDGE], { kind: 'bandwidth', bytesPerSecond: 50_000 });
    expect((await ask(proxy)).tookMs).toBeGreaterThan(180 - EARLY_MS);
  });

  it('answers after it, and is cut by a rule', async () => {
    const proxy = await bed.start([route('http', await named('here'), { base })]);
    await proxy.apply(EDGE, [EDGE], { kind: 'blackhole' });
    expect(await proxy.probe(EDGE)).toBe(false);
    await proxy.clear(EDGE);
    expect(await proxy.probe(EDGE)).toBe(true);
  });
});

describe('the bytes of a route', () => {
  it('are counted in both directions since a rule took effect, and are 0 in a blackhole', async () => {
    const body = 'x'.repeat(10_000);
    const proxy = await bed.start([route('http', await named(body))]);
    const bytes = async () => (await proxy.bytesForwarded([EDGE]))[0]!;
    expect(await bytes()).toBe(0);
    await ask(proxy);
    const before = await bytes();
    expect(before).toBeGreaterThan(body.length + 50); // The request counts, too.
    await ask(proxy);
    expect(await bytes()).toBe(2 * before);

    await proxy.apply(EDGE, [EDGE], { kind: 'blackhole' });
    expect(await bytes()).toBe(0);
    const client = await rawClient(proxy.addressOf(EDGE).port);
    client.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(await client.fate(200)).toBe('open');
    expect(await bytes()).toBe(0);
    await proxy.clear(EDGE);
    await ask(proxy);
    expect(await bytes()).toBe(before);
    await expect(proxy.bytesForwarded(['nowhere'])).rejects.toThrow('no route nowhere');
  });
});

describe('another server behind a route', () => {
  it('gets new connections, and open ones are reset', async () => {
    const [one, two] = [await named('one'), await named('two')];
    const proxy = await bed.start([route('http', one)]);
    expect((await ask(proxy)).text).toBe('one');
    const open = await rawClient(proxy.addressOf(EDGE).port);
    open.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await open.until(1);
    await proxy.retarget([EDGE], { host: '127.0.0.1', port: two });
    expect(await open.fate(5_000)).toBe('ECONNRESET');
    expect((await ask(proxy)).text).toBe('two');
    expect(await proxy.probe(EDGE)).toBe(true);
  });

  it('is under the current rule of the route', async () => {
    const [one, two] = [await named('one'), await named('two')];
    const proxy = await bed.start([route('http', one)]);
    await proxy.apply(EDGE, [EDGE], { kind: 'blackhole' });
    await proxy.retarget([EDGE], { host: '127.0.0.1', port: two });
    expect(await proxy.probe(EDGE)).toBe(false);
    await proxy.clear(EDGE);
    expect((await ask(proxy)).text).toBe('two');
  });
});
