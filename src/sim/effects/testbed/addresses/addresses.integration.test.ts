// Addresses as operators write them, against real servers: every one connects, or says in three lines why not.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EnvironmentError } from '../../../errors.ts';
import { freePort } from '../../process/free-port.ts';
import { bedTopology, eventually, makeScratch, type Scratch } from '../fixtures/bed.ts';
import { startOwner } from '../fixtures/owner.ts';
import { ownPostgres } from '../fixtures/stores.ts';
import { inspectPostgres } from '../stores/external/inspect-postgres.ts';
import { startTestbed } from '../testbed.ts';
import { choosePostgresHost } from './choose-host.ts';

/** Every character that ends something in a URL. */
const SECRET = 'a#b@c/d?e%f';
const folder = mkdtempSync(path.join(tmpdir(), 'addresses-'));
chmodSync(folder, 0o777); // PostgreSQL runs as an account of its own.
const at = (name: string) => path.join(folder, name);

const postgres = ownPostgres('addresses', { unix_socket_directories: folder });
let scratch: Scratch;
let redis: ChildProcess;
const redisPorts = { plain: 0, tls: 0 };

beforeAll(async () => {
  scratch = await makeScratch();
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  await admin.query(`CREATE ROLE app SUPERUSER LOGIN PASSWORD '${SECRET}'`);
  const { rows } = await admin.query('SHOW hba_file');
  const hba = String(rows[0].hba_file);
  const asked = 'host all app 127.0.0.1/32 scram-sha-256\nlocal all app scram-sha-256\n';
  writeFileSync(hba, `${asked}${readFileSync(hba, 'utf8')}`);
  await admin.query('SELECT pg_reload_conf()');
  await admin.end();
  await startRedis();
});
afterAll(async () => {
  redis?.kill('SIGKILL');
  await scratch?.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** On a port, with TLS on another, and on a socket; with a password. */
async function startRedis(): Promise<void> {
  const subject = [
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
  ];
  const key = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  execFileSync('openssl', [...key, '-keyout', at('key.pem'), '-out', at('cert.pem'), ...subject], {
    stdio: 'ignore',
  });
  redisPorts.plain = await freePort();
  redisPorts.tls = await freePort();
  const tls = ['--tls-cert-file', at('cert.pem'), '--tls-key-file', at('key.pem')];
  const given = ['--bind', '127.0.0.1', '--save', '', '--requirepass', SECRET, '--dir', folder];
  const ports = ['--port', `${redisPorts.plain}`, '--tls-port', `${redisPorts.tls}`];
  const trust = ['--tls-ca-cert-file', at('cert.pem'), '--tls-auth-clients', 'no'];
  redis = spawn(
    'redis-server',
    [...given, ...ports, ...tls, ...trust, '--unixsocket', at('redis.sock')],
    {
      stdio: 'ignore',
      timeout: 120_000,
    },
  );
  await eventually('Redis listens', () => existsSync(at('redis.sock')));
}

const proxied = ['gateway->redis', 'gateway->postgres'];
const run = (runId: string, addresses: NodeJS.ProcessEnv) =>
  startTestbed({
    runId,
    logFolder: scratch.logFolder,
    topology: bedTopology({ proxied }),
    seed: 9,
    cores: null,
    onNote: () => {},
    env: { ...scratch.env, ...addresses },
  });

/** A run's service reaches both stores through the proxy; a reset of its connections is undone. */
async function expectRun(runId: string, addresses: NodeJS.ProcessEnv): Promise<void> {
  const testbed = await run(runId, addresses);
  try {
    const { url } = testbed.targets[0]!;
    const reach = async () =>
      Promise.all(
        ['/redis', '/postgres'].map(async (store) => (await fetch(`${url}${store}`)).text()),
      );
    expect(await reach()).toEqual(['ok', 'ok']);
    for (const target of proxied) {
      await testbed.edges.apply(target, { kind: 'reset' });
      await testbed.edges.clear(target);
      expect(await testbed.edges.probe(target)).toBe(true);
    }
    expect(await reach()).toEqual(['ok', 'ok']);
  } finally {
    await testbed.stop();
  }
}

describe('DATABASE_URL and REDIS_URL of a run', () => {
  it('hold a password as it is', async () => {
    await expectRun('raw', {
      DATABASE_URL: `postgres://app:${SECRET}@127.0.0.1:${postgres.port}/postgres`,
      REDIS_URL: `redis://:${SECRET}@127.0.0.1:${redisPorts.plain}/1`,
    });
  });

  it('name sockets, which are behind the proxy as ports are', async () => {
    const secret = encodeURIComponent(SECRET);
    await expectRun('socket', {
      DATABASE_URL: `postgres:///postgres?host=${folder}&port=${postgres.port}&user=app&password=${secret}`,
      REDIS_URL: `unix://:${SECRET}@${at('redis.sock')}?db=2`,
    });
    await expectRun('encoded', {
      DATABASE_URL: `postgres://app:${secret}@${encodeURIComponent(folder)}:${postgres.port}/postgres`,
      REDIS_URL: `${at('redis.sock')}?password=${secret}`,
    });
  });

  it('name a Redis with TLS, whose certificate the operator vouches for', async () => {
    const address = `rediss://:${SECRET}@localhost:${redisPorts.tls}`;
    const env = { ...scratch.env, REDIS_URL: address, NODE_EXTRA_CA_CERTS: at('cert.pem') };
    const topology = bedTopology({ proxied });
    const { owner, owned } = await startOwner(scratch, 'tls', { env, topology });
    try {
      expect(await (await fetch(`${owned.service.url}/redis`)).text()).toBe('ok');
    } finally {
      owner.kill('SIGKILL');
      await once(owner, 'close');
    }
    const error = await run('untrusted', { REDIS_URL: address }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(EnvironmentError);
    expect(error.toLines()).toMatch(
      /^cannot use REDIS_URL rediss:.*\nself.signed certificate\nnext: /,
    );
    expect(error.toLines()).not.toContain(SECRET);
  });
});

describe('an address of several hosts', () => {
  const address = async (kind: string) =>
    `postgres://app:${SECRET}@127.0.0.1:${await freePort()},127.0.0.1:${postgres.port}/postgres?target_session_attrs=${kind}`;

  it.each(['any', 'read-write', 'primary', 'prefer-standby'])(
    '%s: takes the one that suits',
    async (kind) => {
      const chosen = await choosePostgresHost(await address(kind), 5_000);
      expect(chosen).toMatchObject({ of: 2, name: `127.0.0.1:${postgres.port}` });
      expect((await inspectPostgres(chosen.url)).version).toMatch(/^\d+/);
    },
  );

  it.each(['standby', 'read-only'])('%s: says of each host why it does not suit', async (kind) => {
    const error = await inspectPostgres(await address(kind)).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(EnvironmentError);
    expect(error.toLines().split('\n')).toHaveLength(3);
    expect(error.why).toMatch(
      new RegExp(`no host is ${kind}: .*ECONNREFUSED.*; 127.0.0.1:${postgres.port} is a primary`),
    );
    expect(error.toLines()).not.toContain(SECRET);
  });
});
