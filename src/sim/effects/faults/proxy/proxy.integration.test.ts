/** Each rule as a client sees it, over plain HTTP and TCP servers; the real stores are in proxy-stores. */
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../process/free-port.ts';
import { eventually } from '../../testbed/fixtures/bed.ts';
import { makeProxyBed, type ProxyBed, rawClient, route } from './fixtures/proxy-bed.ts';
import type { FaultProxy } from './proxy.ts';

const EDGE = 'client->gateway';
const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;
const answer = (body: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

let bed: ProxyBed;
beforeEach(async () => {
  bed = await makeProxyBed();
});
afterEach(() => bed.remove());

/** A server that answers each request with its path, and what reached it. */
async function paths(): Promise<{ port: number; seen: string[] }> {
  const seen: string[] = [];
  const port = await bed.serve((request, response) => {
    request.resume().on('end', () => {
      seen.push(`${request.method} ${request.url}`);
      response.end(request.url);
    });
  });
  return { port, seen };
}

async function proxied(port: number, seed = 1): Promise<{ proxy: FaultProxy; port: number }> {
  const proxy = await bed.start([route('http', port)], seed);
  return { proxy, port: proxy.addressOf(EDGE).port };
}

const fetchPath = async (port: number, path: string, init: RequestInit = {}) => {
  const headers = { connection: 'close' };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers, ...init });
  return { status: response.status, text: await response.text(), response };
};
const fetchFate = (port: number, path: string, limitMs = 5_000) =>
  fetchPath(port, path, { signal: AbortSignal.timeout(limitMs) }).then(
    ({ status }) => `${status}`,
    (error) => String(error.cause?.code ?? error.name),
  );

describe('without a rule', () => {
  it('passes requests and large bodies in both directions', async () => {
    const upstream = await bed.serve((request, response) => void request.pipe(response));
    const { port } = await proxied(upstream);
    const body = Buffer.alloc(8_000_000, 'abcdefg');
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body });
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  });

  it('does not read ahead of a reader that has stopped', async () => {
    let written = 0;
    const upstream = await bed.serveTcp((socket) => {
      const more = () => {
        while (socket.write(Buffer.alloc(65_536))) written += 65_536;
      };
      socket.on('drain', more);
      more();
    });
    const { port } = await proxied(upstream);
    const client = await rawClient(port);
    client.socket.pause();
    let before = -1;
    await eventually('the flow stops', async () => {
      const stopped = written > 0 && written === before;
      before = written;
      await sleep(200);
      return stopped;
    });
    expect(written).toBeLessThan(64_000_000);
    client.socket.destroy();
  });

  it('forwards a half-close and the answer after it', async () => {
    const upstream = await bed.serveTcp((socket) => {
      socket.on('data', () => {}).on('end', () => socket.end('after the end'));
    });
    const { port } = await proxied(upstream);
    const client = await rawClient(port);
    client.socket.end('not HTTP at all\r\n\r\n');
    expect(await client.fate(5_000)).toBe('end');
    expect(client.received()).toBe('after the end');
  });

  it('resets the client when the server resets or refuses the connection', async () => {
    const upstream = await bed.serveTcp((socket) =>
      socket.once('data', () => socket.resetAndDestroy()),
    );
    const { proxy, port } = await proxied(upstream);
    const client = await rawClient(port);
    client.send(get('/'));
    expect(await client.fate(5_000)).toBe('ECONNRESET');
    const gone = await proxy.open(route('http', await freePort(), { gateway: 'gone' }));
    expect(await (await rawClient(gone.port)).fate(5_000)).toBe('ECONNRESET');
    expect(await proxy.probe('client->gone')).toBe(false);
  });

  it('rejects unknown routes', async () => {
    const { proxy } = await proxied((await paths()).port);
    const nowhere = 'gateway->redis';
    await expect(proxy.apply(nowhere, [nowhere], { kind: 'reset' })).rejects.toThrow(
      /no route gateway->redis/,
    );
    const wrong = { kind: 'cut-reply', every: 0 } as const;
    await expect(proxy.apply(EDGE, [EDGE], wrong)).rejects.toThrow(/every must be at least 1/);
    await expect(proxy.waitForCommit(50)).rejects.toThrow(/no route carries PostgreSQL/);
    expect(() => proxy.addressOf('nobody')).toThrow(/no route nobody/);
  });
});

describe('a blackhole', () => {
  it('hangs old and new connections, and resets them when it is cleared', async () => {
    const { port: upstream, seen } = await paths();
    const { proxy, port } = await proxied(upstream);
    const old = await rawClient(port);
    old.send(get('/before'));
    await old.until(1);
    await proxy.apply(EDGE, [EDGE], { kind: 'blackhole' });
    const known = old.received();
    old.send(get('/during'));
    const fresh = await rawClient(port);
    fresh.send(get('/during'));
    expect(await old.fate(200)).toBe('open');
    expect(await fresh.fate(100)).toBe('open');
    expect(await proxy.probe(EDGE)).toBe(false);
    await proxy.clear(EDGE);
    expect(await old.fate(5_000)).toBe('ECONNRESET');
    expect(await fresh.fate(5_000)).toBe('ECONNRESET');
    expect(old.received()).toBe(known);
    expect(seen.filter((one) => one.includes('/during'))).toEqual([]);
    expect(await proxy.probe(EDGE)).toBe(true);
    expect(await fetchFate(port, '/after')).toBe('200');
  });

  it('of one instance does not affect the others', async () => {
    const { port: upstream } = await paths();
    const proxy = await bed.start([
      route('http', upstream, { gateway: 'gateway.1' }),
      route('http', upstream, { gateway: 'gateway.2' }),
    ]);
    const [one, two] = ['gateway.1', 'gateway.2'].map(
      (name) => proxy.addressOf(`client->${name}`).port,
    );
    await proxy.apply('client->gateway.2', ['client->gateway.2'], { kind: 'blackhole' });
    expect(await fetchFate(one!, '/')).toBe('200');
    expect(await fetchFate(two!, '/', 200)).toBe('TimeoutError');
  });

  it('restores the rule below it when it is cleared', async () => {
    const { proxy, port } = await proxied((await paths()).port);
    const one = 'client->gateway.1';
    await proxy.apply(EDGE, [EDGE], { kind: 'reset' });
    await proxy.apply(one, [EDGE], { kind: 'blackhole' });
    expect(await fetchFate(port, '/', 200)).toBe('TimeoutError');
    await proxy.clear(one);
    expect(await fetchFate(port, '/')).toBe('ECONNRESET');
    await proxy.clear(EDGE);
    await proxy.clear(EDGE);
    expect(await fetchFate(port, '/')).toBe('200');
  });
});

it('a reset ends open connections and every new one', async () => {
  const { proxy, port } = await proxied((await paths()).port);
  const old = await rawClient(port);
  old.send(get('/'));
  await old.until(1);
  await proxy.apply(EDGE, [EDGE], { kind: 'reset' });
  expect(await old.fate(5_000)).toBe('ECONNRESET');
  expect(await fetchFate(port, '/')).toBe('ECONNRESET');
  expect(await proxy.probe(EDGE)).toBe(false);
  await proxy.clear(EDGE);
  expect(await proxy.probe(EDGE)).toBe(true);
});

it('half-open closes the server side and keeps the client waiting', async () => {
  let open = 0;
  const upstream = await bed.serveTcp((socket) => {
    open += 1;
    socket.on('data', () => {}).on('end', () => socket.end());
    socket.on('close', () => {
      open -= 1;
    });
  });
  const { proxy, port } = await proxied(upstream);
  const client = await rawClient(port);
  client.send('G');
  await eventually('the server has it', () => open === 1);
  await proxy.apply(EDGE, [EDGE], { kind: 'half-open' });
  await eventually('the server lost it', () => open === 0);
  client.send('ET');
  expect(await client.fate(200)).toBe('open');
  await proxy.clear(EDGE);
  expect(await client.fate(5_000)).toBe('ECONNRESET');
});

describe('delay', () => {
  it('is added to a round trip and keeps the order of the bytes', async () => {
    const upstream = await bed.serveTcp((socket) => void socket.pipe(socket));
    const { proxy, port } = await proxied(upstream);
    await proxy.apply(EDGE, [EDGE], { kind: 'latency', meanMs: 60, jitterMs: 60 });
    const client = await rawClient(port);
    const sent = Array.from({ length: 200 }, (_, index) => `${index};`);
    const startMs = performance.now();
    for (const text of sent) {
      client.send(text);
      await sleep(1);
    }
    await client.until(sent.join('').length);
    expect(client.received()).toBe(sent.join(''));
    expect(performance.now() - startMs).toBeGreaterThan(200);
    expect(proxy.decisions()[0]?.detail).toMatch(/delays in ms: to-server [\d.]+/);
  });

  it('of 100 ms without jitter takes 100 ms, and delayed bytes are forwarded when it is cleared', async () => {
    const { proxy, port } = await proxied((await paths()).port);
    await proxy.apply(EDGE, [EDGE], { kind: 'latency', meanMs: 100, jitterMs: 0 });
    const startMs = performance.now();
    expect(await fetchFate(port, '/')).toBe('200');
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(97);
    await proxy.apply(EDGE, [EDGE], { kind: 'latency', meanMs: 60_000, jitterMs: 0 });
    const waiting = fetchFate(port, '/slow');
    await sleep(100);
    await proxy.clear(EDGE);
    expect(await waiting).toBe('200');
  });

  it('by bandwidth is bytes divided by the rate', async () => {
    const upstream = await bed.serve((_, response) => response.end(Buffer.alloc(50_000)));
    const { proxy, port } = await proxied(upstream);
    await proxy.apply(EDGE, [EDGE], { kind: 'bandwidth', bytesPerSecond: 100_000 });
    const startMs = performance.now();
    const { text } = await fetchPath(port, '/');
    expect(text).toHaveLength(50_000);
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThan(480);
    expect(tookMs).toBeLessThan(5_000);
  });
});

describe('a cut reply', () => {
  it('resets the client although the server has executed the request', async () => {
    const { port: upstream, seen } = await paths();
    const { proxy, port } = await proxied(upstream);
    await proxy.apply(EDGE, [EDGE], { kind: 'cut-reply', every: 1 });
    const client = await rawClient(port);
    const head = 'POST /pay HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n';
    for (const part of [head, '3\r\nabc\r\n', '0\r\n', '\r\n']) {
      client.send(part);
      await sleep(5);
    }
    expect(await client.fate(5_000)).toBe('ECONNRESET');
    expect(client.received()).toBe('');
    expect(seen).toEqual(['POST /pay']);
    expect(proxy.decisions()).toMatchObject([
      {
        name: 'cut-reply',
        event: 'decision',
        detail: 'client->gateway request 1: POST /pay',
      },
    ]);
  });

  it.each([1, 2, 4])(
    'lets earlier replies of a pipeline through, and later requests not, seed %i',
    async (seed) => {
      const { port: upstream, seen } = await paths();
      const { proxy, port } = await proxied(upstream, seed);
      await proxy.apply(EDGE, [EDGE], { kind: 'cut-reply', every: 3 });
      const cut: string[] = [];
      proxy.onDecision(({ detail }) => cut.push(detail!.replace(/.*: GET /, '')));
      const client = await rawClient(port);
      client.send(['/1', '/2', '/3', '/4', '/5'].map(get).join(''));
      const fate = await client.fate(5_000);
      const phase = Number(cut[0]!.slice(1));
      // libuv reports a reset that arrives together with data as an end.
      expect(phase === 1 ? ['ECONNRESET'] : ['ECONNRESET', 'end']).toContain(fate);
      expect(seen).toEqual(['/1', '/2', '/3'].slice(0, phase).map((path) => `GET ${path}`));
      const got = [...client.received().matchAll(/\r\n\r\n(\/\d)/g)].map((match) => match[1]);
      // A reset overtakes what the client has not read; nothing of the cut reply may be there.
      expect(
        ['/1', '/2', '/3']
          .slice(0, phase - 1)
          .join()
          .startsWith(got.join()),
      ).toBe(true);
    },
  );

  it('cuts after a limit when no reply comes', async () => {
    const upstream = await bed.serve(() => {});
    const { proxy, port } = await proxied(upstream);
    await proxy.apply(EDGE, [EDGE], { kind: 'cut-reply', every: 1 });
    expect(await fetchFate(port, '/')).toBe('ECONNRESET');
  });

  it('falls on the same requests for the same seed, and on others for another', async () => {
    const { port: upstream } = await paths();
    const decide = async (seed: number) => {
      const { proxy, port } = await proxied(upstream, seed);
      await proxy.apply(EDGE, [EDGE], { kind: 'cut-reply', every: 10 });
      const fates: string[] = [];
      for (let request = 0; request < 30; request += 1)
        fates.push(await fetchFate(port, `/${request}`));
      const details = proxy.decisions().map(({ detail }) => detail!);
      expect(fates.filter((fate) => fate !== '200')).toHaveLength(3);
      expect(details).toHaveLength(3);
      return details.join();
    };
    const first = await decide(7);
    expect(await decide(7)).toBe(first);
    const others = [await decide(8), await decide(9), await decide(10)];
    expect(others.some((other) => other !== first)).toBe(true);
  });
});

describe('a failed request', () => {
  it('gets a problem body, is not forwarded, and leaves the connection usable', async () => {
    const { port: upstream, seen } = await paths();
    const { proxy, port } = await proxied(upstream);
    await proxy.apply(EDGE, [EDGE], { kind: 'fail-request', k: 2 });
    const client = await rawClient(port);
    client.send(get('/1'));
    const post = 'POST /2 HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab';
    client.send(post);
    await sleep(20);
    client.send(`cde${get('/3')}`);
    await eventually('three answers', () => client.received().split('HTTP/1.1 ').length === 4);
    const [, one, two, three] = client.received().split('HTTP/1.1 ');
    expect(one).toMatch(/^200[\s\S]*\/1$/);
    expect(two).toMatch(/^503 [\s\S]*application\/problem\+json[\s\S]*"status":503/);
    expect(three).toMatch(/^200[\s\S]*\/3$/);
    expect(seen).toEqual(['GET /1', 'GET /3']);
    expect(proxy.decisions()).toMatchObject([
      { name: 'fail-request', detail: 'client->gateway request 2: POST /2' },
    ]);
    client.socket.destroy();
  });

  it('answers HEAD without a body', async () => {
    const { proxy, port } = await proxied((await paths()).port);
    await proxy.apply(EDGE, [EDGE], { kind: 'fail-request', k: 1 });
    const client = await rawClient(port);
    client.send(`HEAD / HTTP/1.1\r\nhost: x\r\n\r\n${get('/next')}`);
    await eventually('two answers', () => client.received().endsWith('/next'));
    expect(client.received()).toMatch(/^HTTP\/1.1 503 [^{]*HTTP\/1.1 200/);
    client.socket.destroy();
  });
});

it('passes interim answers and bodies that end with the connection', async () => {
  const upstream = await bed.serveTcp((socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      socket.write(answer('one'));
      socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end');
    }),
  );
  const { port } = await proxied(upstream);
  const client = await rawClient(port);
  client.send(get('/1') + get('/2'));
  expect(await client.fate(5_000)).toBe('end');
  expect(client.received()).toMatch(/^HTTP\/1.1 100[\s\S]*one[\s\S]*until the end$/);
});

it.runIf(existsSync('/proc'))('keeps no closed connection', async () => {
  const { proxy, port } = await proxied((await paths()).port);
  const openFiles = () => readdirSync(`/proc/${proxy.pid}/fd`).length;
  const before = openFiles();
  const rules = [
    null,
    { kind: 'blackhole' },
    { kind: 'half-open' },
    { kind: 'reset' },
    { kind: 'cut-reply', every: 2 },
    { kind: 'latency', meanMs: 20, jitterMs: 20 },
  ] as const;
  for (const rule of rules) {
    const old = await Promise.all(Array.from({ length: 10 }, () => rawClient(port)));
    if (rule !== null) await proxy.apply(EDGE, [EDGE], rule);
    for (const client of old) client.send(get('/'));
    await Promise.all(Array.from({ length: 10 }, () => fetchFate(port, '/', 50)));
    for (const [index, client] of old.entries()) {
      if (index % 2 === 0) client.socket.end();
      else client.socket.resetAndDestroy();
    }
    await proxy.clear(EDGE);
    for (const client of old) client.socket.destroy();
  }
  await eventually('every connection is closed', () => openFiles() <= before);
});

it('exits with the process that started it', async () => {
  const { proxy } = await proxied((await paths()).port);
  proxy.child.process.disconnect();
  expect((await proxy.child.exited).status).toBe('exit status 0');
  await expect(proxy.apply(EDGE, [EDGE], { kind: 'reset' })).rejects.toThrow(/fault-proxy ended/);
});
