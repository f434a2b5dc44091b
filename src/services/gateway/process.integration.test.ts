/**
 * The gateway and its one-shot steps as processes, and what they do when a store goes away: built from dist/, on a
 * PostgreSQL and a Redis of this file's own, which it may stop.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandOf, descendantsOf, isRunning } from '../../sim/effects/process/process-table.ts';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import { verifyLog } from '../audit/chain/verify.ts';
import { openLogSnapshot } from '../audit/log-source.ts';
import { recordColumns } from '../audit/record-row.ts';
import type { Database } from '../ports.ts';
import { SEED_PASSWORD } from '../sessions/seed.ts';
import { openConnection } from './clients.ts';
import { client, type Send } from './fixtures/client.ts';
import { schemaUrl } from './fixtures/platform.ts';

const dist = fileURLToPath(new URL('../../../dist/services/', import.meta.url));
const size = { rows: 20_000, users: 200, heavyUsers: 2, heavyRows: 2_000 };

const { postgres, redis } = ownStores('process', { max_connections: '60' });
const running = new Set<ChildProcess>();

afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
});

const stateOf = (schema: string) => path.join(postgres.folder, 'state', schema);

function launch(entry: string, schema: string, params: Record<string, unknown>) {
  const config = {
    name: entry,
    addresses: {
      database: { url: schemaUrl(postgres.url, schema), namespace: schema },
      redis: { url: redis.url, namespace: `test:${schema}:` },
    },
    seed: 7,
    stateDirectory: stateOf(schema),
    params,
  };
  const room = entry === 'main' ? 'gateway' : 'jobs';
  const child = fork(path.join(dist, room, `${entry}.js`), {
    env: { ...process.env, PLATFORM_PROCESS: JSON.stringify(config) },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  running.add(child);
  let stderr = '';
  child.stderr!.on('data', (data) => (stderr += data));
  const exit = once(child, 'exit').then(([code, signal]) => {
    running.delete(child);
    return { code: code as number | null, signal, stderr };
  });
  return { child, exit };
}

async function step(entry: string, schema: string, params: Record<string, unknown>) {
  const { exit } = launch(entry, schema, params);
  const { code, stderr } = await exit;
  if (code !== 0) throw new Error(`${entry} exited ${code}: ${stderr}`);
}

/** Of one kind, from what the step `effects` wrote. */
function effectsIn(file: string, name: string): readonly Record<string, unknown>[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((effect) => effect.name === name);
}

async function startGateway(schema: string, params: Record<string, unknown>) {
  const { child, exit } = launch('main', schema, params);
  const ready = once(child, 'message').then(
    ([message]) => message as { type: string; url: string; operationsUrl: string },
  );
  const first = await Promise.race([ready, exit]);
  if (!('url' in first)) throw new Error(`gateway exited ${first.code}: ${first.stderr}`);
  expect(first.type).toBe('ready');
  return { child, exit, url: first.url, operations: client(first.operationsUrl) };
}

const anchor = `${new Date().toISOString().slice(0, 10)}T00:00:00Z`;
const template = (schema: string, design: string, more = {}) =>
  step('template', schema, { design, ...size, anchor, ...more });

async function withDatabase<T>(work: (db: Database) => Promise<T>): Promise<T> {
  const db = await openConnection(postgres.url);
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

const fingerprint = (table: string) =>
  withDatabase(async (db) => {
    const rows = await db.query<{ rows: string; sum: string }>({
      text: `SELECT count(*) AS rows, sum(hashtextextended((${recordColumns})::text, 0)) AS sum FROM ${table}`,
    });
    return rows[0]!;
  });

/** The newest block hash of each shard. */
const chainOf = (schema: string) =>
  withDatabase((db) =>
    db.query<{ shard: number; head: string }>({
      text: `SELECT DISTINCT ON (shard) shard, encode(hash, 'hex') AS head FROM ${schema}.audit_blocks
              ORDER BY shard, number DESC`,
    }),
  );

describe('the template', () => {
  beforeAll(async () => {
    await template('flat', 'turn4.before', { step: 'base' });
    await template('monthly', 'turn4.after');
  });

  it('holds the same rows before and after the migration', async () => {
    const before = await fingerprint('flat.audit_logs');
    expect(before.rows).toBe('20000');
    expect(await fingerprint('monthly.audit_everything')).toEqual(before);
  });

  it('is the same for the same seed and another for another one', async () => {
    await template('again', 'turn4.before');
    expect(await fingerprint('again.audit_logs')).toEqual(await fingerprint('flat.audit_logs'));
    await template('fewer', 'turn4.before', { rows: 19_999 });
    expect(await fingerprint('fewer.audit_logs')).not.toEqual(await fingerprint('flat.audit_logs'));
    expect(await chainOf('again')).toEqual(await chainOf('monthly'));
    expect(await chainOf('fewer')).not.toEqual(await chainOf('monthly'));
  });

  it('is chained, all of it, live months and archived ones', async () => {
    expect(await chainOf('flat')).toEqual([]);
    expect(await chainOf('monthly')).toHaveLength(8);
    const db = await openConnection(schemaUrl(postgres.url, 'monthly'));
    const source = await openLogSnapshot(db, { checkpoints: null });
    const found = await verifyLog(source, { publicKeys: [], shards: 8 });
    await source.close();
    await db.close();
    expect(found).toMatchObject({ records: 20_000, notSequenced: 0 });
    // The one thing it has not: a checkpoint, which only a process with a key can give it.
    expect(found.findings.filter(({ kind }) => !kind.startsWith('checkpoint'))).toEqual([]);
  });

  it('refuses a step it does not know', async () => {
    const { code, stderr } = await launch('template', 'wrong', {
      design: 'turn4.after',
      step: 'half',
    }).exit;
    expect([code, stderr]).toEqual([1, expect.stringContaining('params.step must be one of base')]);
  });

  it('keeps live months and archives the older, where auditors still read them', async () => {
    await withDatabase(async (db) => {
      const [split] = await db.query<{ live: string; archived: string; oldest: string }>({
        text: `SELECT (SELECT count(*) FROM monthly.audit_logs) AS live,
                      (SELECT count(*) FROM monthly.audit_archive) AS archived,
                      (SELECT extract(day FROM $1::timestamptz - min(occurred_at)) FROM monthly.audit_logs) AS oldest`,
        values: [anchor],
      });
      expect(Number(split!.live) + Number(split!.archived)).toBe(20_000);
      expect(Number(split!.archived)).toBeGreaterThan(10_000);
      expect(Number(split!.oldest)).toBeGreaterThanOrEqual(89);
      expect(Number(split!.oldest)).toBeLessThan(121);
    });
  });

  it('gives heavy users exactly their rows, and other users fewer', async () => {
    await withDatabase(async (db) => {
      const counts = await db.query<{ user_id: string; rows: string }>({
        text: 'SELECT user_id, count(*) AS rows FROM flat.audit_logs GROUP BY 1 ORDER BY 2 DESC, 1',
      });
      expect(counts.slice(0, 2)).toEqual([
        { user_id: '1', rows: '2000' },
        { user_id: '2', rows: '2000' },
      ]);
      expect(Number(counts[2]!.rows)).toBeLessThan(1_000);
      expect(counts).toHaveLength(200);
    });
  });

  it('says what is wrong with its parameters', async () => {
    const wrong = async (params: Record<string, unknown>) =>
      await launch('template', 'wrong', params).exit;
    const design = await wrong({ design: 'turn4.middle' });
    expect([design.code, design.stderr]).toEqual([
      1,
      expect.stringContaining("unknown design 'turn4.middle'"),
    ]);
    const heavy = await wrong({ design: 'turn4.before', ...size, heavyRows: 20_000 });
    expect(heavy.stderr).toContain('do not fit in 20000 rows');
  });
});

describe.each(['turn4.before', 'turn4.after'])('a run of %s', (design) => {
  const schema = `run_${design.slice(6)}`;
  const accountsFile = () => path.join(postgres.folder, `${schema}-accounts.json`);
  let gateway: Awaited<ReturnType<typeof startGateway>>;
  let accounts: { id: string; headers: Record<string, string>; vars: { project: string } }[];
  const as = (index: number): Send => client(gateway.url, accounts[index]!.headers);

  beforeAll(async () => {
    await template(schema, design);
    const params = { design, count: 100, heavyCount: 2, heavyUsers: 2, outFile: accountsFile() };
    await step('accounts', schema, params);
    accounts = JSON.parse(readFileSync(accountsFile(), 'utf8'));
    gateway = await startGateway(schema, { design });
  });
  afterAll(() => gateway?.child.kill('SIGKILL'));

  it('has accounts with live sessions and a project of their own, heavy ones first', async () => {
    expect(accounts.slice(0, 2).map(({ id }) => id)).toEqual(['1', '2']);
    expect(new Set(accounts.map(({ id }) => id)).size).toBe(100);
    for (const index of [0, 1, 50, 99]) {
      expect((await as(index)('GET', '/me')).body.id).toBe(accounts[index]!.id);
      const read = await as(index)('GET', `/projects/${accounts[index]!.vars.project}`);
      expect(read.status).toBe(200);
    }
  });

  it('shows its effects: one line per audited request of the run, none of the seeded ones', async () => {
    const sinceMs = Date.now();
    const ids = Array.from({ length: 30 }, (_, i) => `effect-${i}`);
    await Promise.all(
      ids.map((id, i) => as(i)('GET', '/projects', { headers: { 'x-request-id': id } })),
    );
    const outFile = path.join(postgres.folder, `${schema}-effects.ndjson`);
    await step('facts', schema, { outFile, sinceMs });
    const lines = readFileSync(outFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const events = lines.filter(({ name }) => name === 'audit');
    expect(events.map(({ requestId }) => requestId).sort()).toEqual([...ids].sort());
    expect(events.map(({ facts }) => facts.place)).toEqual(ids.map((_, i) => i + 1));
    const organisationOf = new Map(
      lines
        .filter(({ name }) => name === 'account')
        .map(({ id, facts }) => [id, facts.organisation]),
    );
    expect(organisationOf.size).toBe(30);
    for (const { facts, user } of events)
      expect(facts).toMatchObject({
        action: 'project.list',
        outcome: 'success',
        organisation: organisationOf.get(user),
        session: expect.stringMatching(/^[0-9a-f]{32}$/),
        resourceType: 'project',
        region: 'us',
        personal: 'opened',
        address: '127.0.0.1',
        idMs: expect.any(Number),
        shard: expect.any(Number),
        sequence: expect.any(Number),
        receivedAtUs: expect.any(Number),
      });
    const [chain] = lines.filter(({ name }) => name === 'audit-chain');
    expect(chain.facts).toMatchObject({ findings: 0, notSequenced: 0, first: '' });
    expect(chain.facts.records).toBeGreaterThanOrEqual(20_030);
    expect(chain.facts.checkpoints).toBeGreaterThan(0);
    for (const { occurredAtUs } of lines)
      expect(occurredAtUs / 1_000).toBeGreaterThanOrEqual(sinceMs);
  });

  it('responds with 503, never success, while the audit log cannot be written, and recovers', async () => {
    expect((await as(60)('GET', '/me')).status).toBe(200);
    await postgres.stop();
    const replies = await Promise.all(Array.from({ length: 5 }, () => as(60)('GET', '/me')));
    expect(replies.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
    for (const { headers } of replies)
      expect(headers.get('content-type')).toContain('problem+json');
    expect((await as(60)('GET', '/readyz')).status).toBe(503);
    const ready = await gateway.operations('GET', '/readyz');
    expect([ready.status, ready.body.detail]).toEqual([503, 'PostgreSQL does not answer.']);
    expect((await gateway.operations('GET', '/healthz')).status).toBe(200);
    await postgres.startAgain();
    let status = 0;
    for (let attempt = 0; attempt < 50 && status !== 200; attempt += 1) {
      await delay(100);
      status = (await as(60)('GET', '/me')).status;
    }
    expect(status).toBe(200);
  });

  it('loses and doubles nothing it confirmed when connections are cut under load', async () => {
    const sent: { id: string; status: number }[] = [];
    const send = async (i: number) => {
      const id = `cut-${i}`;
      const reply = await as(10 + (i % 80))('GET', '/projects', {
        headers: { 'x-request-id': id },
      });
      sent.push({ id, status: reply.status });
    };
    for (let wave = 0; wave < 10; wave += 1) {
      const load = Array.from({ length: 40 }, (_, i) => send(wave * 40 + i));
      await withDatabase((db) =>
        db.query({
          text: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'main'`,
        }),
      );
      await Promise.all(load);
    }
    const confirmed = sent.filter(({ status }) => status === 200).map(({ id }) => id);
    expect(confirmed.length).toBeGreaterThan(0);
    await withDatabase(async (db) => {
      const rows = await db.query<{ client_request_id: string; times: string }>({
        text: `SELECT client_request_id, count(*) AS times FROM ${schema}.audit_logs WHERE client_request_id LIKE 'cut-%' GROUP BY 1`,
      });
      expect(rows.filter(({ times }) => times !== '1')).toEqual([]);
      const stored = new Set(rows.map((row) => row.client_request_id));
      expect(confirmed.filter((id) => !stored.has(id))).toEqual([]);
    });
  });

  it('finishes requests in flight after SIGTERM, is not ready meanwhile, and exits 0', async () => {
    await withDatabase(async (db) => {
      await db.query({ text: 'BEGIN' });
      await db.query({ text: `LOCK TABLE ${schema}.projects IN ACCESS EXCLUSIVE MODE` });
      const headers = { 'x-request-id': 'in-flight' };
      const inFlight = as(95)('GET', '/projects', { headers });
      await delay(200);
      gateway.child.kill('SIGTERM');
      await delay(50);
      expect((await as(95)('GET', '/readyz')).status).toBe(503);
      const ready = await gateway.operations('GET', '/readyz');
      expect([ready.status, ready.body.detail]).toEqual([503, 'the process is stopping.']);
      await delay(400);
      await expect(as(95)('GET', '/readyz')).rejects.toThrow();
      await db.query({ text: 'COMMIT' });
      expect((await inFlight).status).toBe(200);
    });
    expect(await gateway.exit).toMatchObject({ code: 0, signal: null });
    const outFile = path.join(postgres.folder, `${schema}-last.ndjson`);
    await step('facts', schema, { outFile, sinceMs: 0, requestIdPrefix: 'in-flight' });
    expect(effectsIn(outFile, 'audit')).toHaveLength(1);
  });
});

describe.each(['turn1.before', 'turn1.sample', 'turn1.after'])('a run of %s', (design) => {
  const schema = `run_${design.replace('.', '_')}`;

  it('has thousands of sessions in seconds, and shows what became of them', async () => {
    await template(schema, design, { rows: 0, users: 5_000, heavyUsers: 0, heavyRows: 0 });
    const outFile = path.join(postgres.folder, `${schema}.json`);
    await step('accounts', schema, { design, count: 5_000, heavyUsers: 0, outFile });
    const accounts: { id: string; subject: string; headers: Record<string, string> }[] = JSON.parse(
      readFileSync(outFile, 'utf8'),
    );
    expect(new Set(accounts.map(({ subject }) => subject)).size).toBe(5_000);
    // Nothing else may be needed: the read-through design starts, and works, with Redis frozen.
    const frozen = design === 'turn1.after';
    if (frozen) process.kill(redis.pid, 'SIGSTOP');
    const gateway = await startGateway(schema, { design });
    const as = (index: number): Send => client(gateway.url, accounts[index]!.headers);
    try {
      for (const index of [0, 2_500, 4_999]) {
        const { id, subject } = accounts[index]!;
        const { status, body } = await as(index)('GET', '/session');
        expect([status, body]).toEqual([200, { userId: id, sessionId: subject }]);
      }
      const headers = { 'x-request-id': 'run:1' };
      expect((await as(2_500)('POST', '/logout', { headers })).status).toBe(204);
      expect((await as(2_500)('GET', '/session')).status).toBe(401);
      expect((await client(gateway.url)('GET', '/readyz')).status).toBe(200);
    } finally {
      if (frozen) process.kill(redis.pid, 'SIGCONT');
    }
    // The sample keeps no sessions in PostgreSQL; what it writes there is lost with the connection all the same.
    const statuses = new Set<number>();
    for (let wave = 0; wave < 5; wave += 1) {
      const load = Array.from({ length: 40 }, async (_, i) => {
        const send = as(wave * 40 + i);
        const read = await send('GET', '/sessions');
        const left = await send('POST', i % 2 ? '/logout' : '/session/renew');
        for (const { status } of [read, left]) statuses.add(status);
        // Acknowledged means it holds, whatever happened in between.
        if (left.status < 300) expect([401, 503]).toContain((await send('GET', '/session')).status);
      });
      await withDatabase((db) =>
        db.query({
          text: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'main%'`,
        }),
      );
      await Promise.all(load);
    }
    expect([...statuses].filter((status) => ![200, 204, 401, 503].includes(status))).toEqual([]);
    expect(statuses).toContain(204);
    const effects = path.join(postgres.folder, `${schema}-effects.ndjson`);
    await step('facts', schema, { outFile: effects, sinceMs: 0, requestIdPrefix: 'run:' });
    expect(effectsIn(effects, 'session-revoked')).toMatchObject([
      {
        kind: 'effect',
        reason: 'logout',
        requestId: 'run:1',
        user: accounts[2_500]!.id,
        subject: accounts[2_500]!.subject,
      },
    ]);
    gateway.child.kill('SIGTERM');
    expect((await gateway.exit).code).toBe(0);
  });
});

describe('the process', () => {
  it('exits when its parent exits', async () => {
    await template('orphan', 'turn4.after', { rows: 5_000, heavyRows: 100 });
    const gateway = await startGateway('orphan', { design: 'turn4.after' });
    gateway.child.disconnect();
    expect((await gateway.exit).code).toBe(0);
  });

  it('leaves no process behind, killed or stopped, and no lock of the chain', async () => {
    await template('alone', 'turn3.after', { rows: 5_000, heavyRows: 100 });
    const locks = () =>
      withDatabase((db) =>
        db.query({ text: `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted` }),
      );
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const gateway = await startGateway('alone', { design: 'turn3.after' });
      await expect.poll(locks, { timeout: 20_000 }).toHaveLength(1);
      // Another's connection may hold the lock while this one's is still starting.
      const names = () => descendantsOf(gateway.child.pid!).map(({ pid }) => commandOf(pid));
      await expect.poll(names, { timeout: 20_000 }).toContain('audit-sequencer');
      const family = descendantsOf(gateway.child.pid!);
      gateway.child.kill(signal);
      await gateway.exit;
      await expect.poll(() => family.filter(isRunning), { timeout: 10_000 }).toEqual([]);
      await expect.poll(locks, { timeout: 10_000 }).toEqual([]);
    }
  });

  it('uses the configured limit window, and trusts the configured proxies', async () => {
    await template('window', 'turn2.after', { rows: 5_000, heavyRows: 100 });
    const given = { design: 'turn2.after', limitWindowMs: 2_000, evidence: 1 };
    const left = async (url: string, address: string) => {
      const headers = { 'x-forwarded-for': address };
      const { headers: received } = await client(url)('GET', '/me', { headers });
      // Logins and tokens that open nothing keep their minute.
      expect(received.get('ratelimit-policy')).toBe('"unauthenticated";q=30;w=60');
      expect(received.get('x-limit-decision')).toMatch(
        /^at=\d+;took=\d+;admitted=1;mode=store;by=$/,
      );
      return Number(/r=(\d+)/.exec(received.get('ratelimit')!)![1]);
    };
    const lefts = async (params: Record<string, unknown>) => {
      const gateway = await startGateway('window', params);
      const people = { email: 'user1@example.test', password: SEED_PASSWORD };
      const login = () => client(gateway.url)('POST', '/login', { body: people });
      let opened = await login();
      // 503 says to try again: the process that hashes may still be starting.
      for (let more = 0; more < 10 && opened.status === 503; more += 1) {
        await delay(500);
        opened = await login();
      }
      expect(opened.status).toBe(200);
      const authorization = `Bearer ${(opened.body as { token: string }).token}`;
      const known = await client(gateway.url)('GET', '/me', { headers: { authorization } });
      expect(known.headers.get('ratelimit-policy')).toContain('"user";q=100;w=2');
      const answers = [
        await left(gateway.url, '203.0.113.7'),
        await left(gateway.url, '203.0.113.8'),
      ];
      gateway.child.kill('SIGTERM');
      expect((await gateway.exit).code).toBe(0);
      return answers;
    };
    expect(await lefts(given)).toEqual([29, 29]);
    // Without a trusted proxy the header is ignored: both requests are from this machine.
    expect(await lefts({ ...given, trustedProxies: ['10.0.0.0/8'] })).toEqual([29, 28]);
    const wrong = await launch('main', 'window', { ...given, trustedProxies: 'all' }).exit;
    expect(wrong.stderr).toContain('params.trustedProxies must be a list of strings, not "all"');
  });

  it('reports why it cannot start', async () => {
    const { code, stderr } = await launch('main', 'nowhere', { design: 'turn4.after' }).exit;
    expect([code, stderr]).toEqual([1, expect.stringContaining('audit_ensure_months')]);
  });
});
