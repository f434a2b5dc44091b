/** `platform audit` beside a running `platform serve`, and after the log was tampered with. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { monthsAgo, openOldLog } from '../services/gateway/fixtures/old-log.ts';
import { SEED_PASSWORD, seedEmail } from '../services/sessions/seed.ts';
import { cacheFolder } from '../sim/effects/process/cache.ts';
import { eventually, makeScratch, type Scratch } from '../sim/effects/testbed/fixtures/bed.ts';
import { BIN, runCommand } from './fixtures/command.ts';
import { linkCache } from './fixtures/killed-run.ts';

const VERIFIER = fileURLToPath(new URL('../../bin/verify-audit-export.js', import.meta.url));

let scratch: Scratch;
/** Beside the machine's own, because hard links do not cross disks. */
let cache = '';
let env: NodeJS.ProcessEnv = {};
let serving: ChildProcess;
let owner: pg.Client;
let databaseUrl = '';
let said: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  scratch = await makeScratch();
  cache = await mkdtemp(`${cacheFolder()}-audit-`);
  await linkCache(cacheFolder(), cache);
  env = { ...scratch.env, PLATFORM_CACHE: cache };
  const argv = [BIN, 'serve', '--design', 'turn4.after', '--port', '0'];
  serving = spawn(process.execPath, argv, {
    cwd: scratch.root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 400_000,
  });
  let [stdout, stderr] = ['', ''];
  serving.stderr?.on('data', (chunk) => (stderr += String(chunk)));
  await new Promise<void>((resolve, reject) => {
    serving.stdout?.on('data', (chunk) => {
      stdout += String(chunk);
      if (/^verify /m.test(stdout)) resolve();
    });
    serving.once('close', () => reject(new Error(stderr)));
  });
  said = Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, 10).trim(), line.slice(10)]),
  );
  databaseUrl = readFileSync(said.postgres!.split(' password in ')[1]!, 'utf8');
  owner = new pg.Client({ connectionString: databaseUrl });
  await owner.connect();
});
afterAll(async () => {
  await owner?.end();
  if (serving?.exitCode === null) {
    serving.kill('SIGINT');
    await once(serving, 'close');
  }
  await scratch?.remove();
  await rm(cache, { recursive: true, force: true });
});

const audit = (...argv: readonly string[]) =>
  runCommand(['audit', ...argv], { cwd: scratch.root, env });

async function ask(at: string, method = 'GET') {
  const [, token = ''] = /authorization: ([^']+)'/.exec(said.try ?? '') ?? [];
  const response = await fetch(said.address + at, { method, headers: { authorization: token } });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

async function newestEvent(query = ''): Promise<string> {
  return (await ask(`/audit?limit=1${query}`)).body.items[0].eventId;
}

async function proven(eventId: string) {
  await eventually('the event is under a checkpoint', async () => {
    const { status } = await ask(`/audit/${eventId}/proof`);
    return status === 200;
  });
  return audit('prove', eventId);
}

describe('platform audit on an intact log', () => {
  it('finds the running serve and verifies what it wrote', async () => {
    await ask('/projects');
    const { code, stdout, stderr } = await audit('verify');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^verdict +pass: the audit log holds$/m);
    expect(stdout).toMatch(/^records +2\d,\d{3}$/m);
    const byFlags = await audit(
      'verify',
      '--database',
      databaseUrl,
      '--state',
      said.state!,
      '--json',
    );
    expect(JSON.parse(byFlags.stdout)).toMatchObject({ verdict: 'pass', first: null });
  });

  it('proves one event, in less than 2 kB', async () => {
    await ask('/projects');
    const eventId = await newestEvent('&action=project.list');
    const { code, stdout } = await proven(eventId);
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining(`${eventId}: project.list, success`),
    ]);
    const { proof } = JSON.parse((await audit('prove', eventId, '--json')).stdout);
    expect(proof.eventId).toBe(eventId);
    expect(JSON.stringify(proof).length).toBeLessThanOrEqual(2_048);
  });

  it('exports a bundle that a verifier without our code accepts, whole and of one tenant', async () => {
    await proven(await newestEvent());
    for (const scope of [[], ['--tenant', '1']]) {
      const file = path.join(scratch.root, 'bundle.ndjson');
      const { code, stdout } = await audit('export', ...scope, '--out', file);
      expect([code, stdout]).toEqual([0, '']);
      const key = path.join(said.state!, 'audit', 'public-key.pem');
      const { stdout: holds } = await promisify(execFile)(process.execPath, [VERIFIER, file, key]);
      expect(holds).toMatch(/^holds: \d+ records/);
    }
  });

  it('exports records for a spreadsheet and for a SIEM, one tenant, one span', async () => {
    const scope = ['--tenant', '1', '--from', `${monthsAgo(8)}-01`];
    const csv = (await audit('export', '--format', 'csv', ...scope)).stdout.trim().split('\r\n');
    const organisation = csv[0]!.split(',').indexOf('organisationId');
    expect(csv.length).toBeGreaterThan(100);
    for (const line of csv.slice(1)) expect(line.split(',')[organisation]).toBe('1');
    const ocsf = (await audit('export', '--format', 'ocsf', ...scope)).stdout.trim().split('\n');
    expect(ocsf).toHaveLength(csv.length - 1);
    expect(JSON.parse(ocsf[0]!)).toMatchObject({ class_uid: 6003, actor: { user: { uid: '1' } } });
  });

  it('ends silently when the reader of an export closes the pipe', async () => {
    const child = spawn(process.execPath, [BIN, 'audit', 'export'], {
      cwd: scratch.root,
      env,
      timeout: 60_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.once('data', () => child.stdout.destroy());
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    const [code] = (await once(child, 'close')) as [number | null];
    expect([code, stderr]).toEqual([0, '']);
  });

  it('archives and attaches a month, and verifies before, between and after', async () => {
    const early = await audit('archive', monthsAgo(1));
    expect([early.code, early.stderr]).toEqual([2, expect.stringContaining('stays until')]);
    // The history of a serve is too young for any archive.
    const stateDirectory = path.join(scratch.root, 'old');
    const log = await openOldLog({ databaseUrl, schema: 'old', stateDirectory, shards: 8 });
    const old = (verb: string, ...argv: readonly string[]) =>
      audit(verb, ...argv, '--database', log.databaseUrl, '--state', stateDirectory);
    expect((await old('verify')).code).toBe(0);
    const archived = await old('archive', monthsAgo(16), '--json');
    expect([archived.code, archived.stderr]).toEqual([0, '']);
    const { file, records } = JSON.parse(archived.stdout);
    await log.chain();
    const without = await old('verify', '--json');
    expect(JSON.parse(without.stdout)).toMatchObject({ verdict: 'pass', archived: records });
    const withFile = await old('verify', '--archive', file, '--json');
    expect(JSON.parse(withFile.stdout)).toMatchObject({ verdict: 'pass', archived: 0 });
    expect((await old('verify', '--keep', '900')).stderr).toContain('retired-early');
    const bent = path.join(scratch.root, 'bent.ndjson.gz');
    const bytes = readFileSync(file);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    writeFileSync(bent, bytes);
    expect((await old('attach', bent)).code).toBe(98);
    const attached = await old('attach', file);
    expect([attached.code, attached.stderr]).toEqual([0, '']);
    await log.chain();
    expect((await old('verify')).code).toBe(0);
    await log.close();
  });

  it('erases a user: the chain verifies, the fields are gone, and the log records it', async () => {
    // A colleague of the user whose session reads the log.
    await owner.query('UPDATE users SET organisation_id = 1 WHERE id = 2');
    await owner.query(`UPDATE users SET role = 'auditor' WHERE id = 1`);
    const login = await fetch(`${said.address}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: seedEmail(2), password: SEED_PASSWORD }),
    });
    const { token } = (await login.json()) as { token: string };
    const me = () => fetch(`${said.address}/me`, { headers: { authorization: `Bearer ${token}` } });
    expect((await me()).status).toBe(200);
    const before = (await ask(`/audit/${await newestEvent('&actor=2&action=user.read')}`)).body;
    expect(before.personal).toMatchObject({ ip: '127.0.0.1' });
    const { code, stdout } = await audit('erase', '2', '--json');
    expect(code).toBe(0);
    const after = (await ask(`/audit/${before.eventId}`)).body;
    expect(after).toEqual({ ...before, personal: null, erased: true });
    const { body } = await ask(`/audit/${JSON.parse(stdout).eventId}`);
    expect(body).toMatchObject({ action: 'subject.erase', resourceId: '2', userId: '0' });
    await eventually('the session has ended', async () => (await me()).status === 401);
    const { rows } = await owner.query(
      `SELECT DISTINCT email, disabled_at IS NOT NULL AS disabled, s.ip, s.device FROM users AS u
         JOIN sessions AS s ON user_id = u.id WHERE u.id = 2 AND revoked_reason = 'erased'`,
    );
    expect(rows).toEqual([{ email: 'erased:2', disabled: true, ip: null, device: null }]);
    const again = await audit('erase', '2');
    expect([again.code, again.stdout]).toEqual([
      0,
      expect.stringMatching(/^user 2 is erased[\s\S]*for 365 days/),
    ]);
    expect((await audit('verify')).code).toBe(0);
  });
});

describe('platform audit with wrong arguments', () => {
  const url = 'postgresql://127.0.0.1:1/none';
  it.each([
    [['verfy'], 2, 'did you mean platform audit verify?'],
    [['prove'], 2, "missing required argument 'event'"],
    [['prove', 'abc'], 2, 'UUID'],
    [['prove', '019aa4b1-2c33-7abc-8def-0123456789ab'], 2, 'there is no event'],
    [['archive', '2026-13'], 2, 'a year and a month'],
    [['archive', '2020-01'], 2, 'there is no audit_logs_2020_01'],
    [['archive', '2020-01', '--keep', '364'], 2, 'below the minimum of 365 days'],
    [['verify', '--keep', '0'], 2, 'below the minimum of 365 days'],
    [['archive', '2020-01', '--keep', '-1'], 2, 'a number of whole days'],
    [['attach', '/nowhere'], 3, 'cannot use /nowhere'],
    [['attach', '/etc/hostname'], 98, 'not what was archived'],
    [['erase', 'x'], 2, 'the id of a user'],
    [['erase', '99999999'], 2, 'there is no user'],
    [['export', '--format', 'xml'], 2, 'ndjson, csv, ocsf'],
    [['export', '--from', 'tomorrow'], 2, 'a time in UTC'],
    [['export', '--out', '/nowhere/file'], 3, 'cannot write /nowhere/file'],
    [['verify', '--public-key', '/etc/hostname'], 3, 'is not a public key'],
    [['verify', '--database', url, '--state', '/tmp'], 3, 'cannot use the PostgreSQL'],
    [['verify', '--database', url], 2, '--state'],
    [['verify', '--database', 'nonsense'], 2, 'is not the address of a PostgreSQL'],
  ])('%j: exit %i, three lines, nothing on stdout', async (argv, expected, words) => {
    const { code, stdout, stderr } = await audit(...argv);
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr).toContain(words);
    expect(stderr.trimEnd().split('\n')).toHaveLength(3);
    expect(stderr).toMatch(/^next: /m);
  });

  it('prints its verbs without arguments', async () => {
    const { code, stdout } = await audit();
    expect([code, stdout]).toEqual([0, expect.stringContaining('platform audit verify')]);
  });
});

describe('platform audit after an attack', () => {
  it('names the row that a superuser removed, exit 98', async () => {
    await ask('/projects');
    const eventId = await newestEvent('&action=project.list');
    await proven(eventId);
    const { rows } = await owner.query(
      'SELECT tableoid::regclass::text AS name FROM audit_logs WHERE event_id = $1',
      [eventId],
    );
    await expect(
      owner.query('DELETE FROM audit_logs WHERE event_id = $1', [eventId]),
    ).rejects.toThrow('append-only');
    for (const table of ['audit_logs', rows[0].name])
      await owner.query(`ALTER TABLE ${table} DISABLE TRIGGER audit_append_only`);
    await owner.query('DELETE FROM audit_logs WHERE event_id = $1', [eventId]);
    const { code, stdout, stderr } = await audit('verify');
    expect([code, stdout]).toEqual([98, expect.stringMatching(/^verdict +fail$/m)]);
    expect(stderr).toContain(`record-missing (event ${eventId}`);
    expect(stderr.trimEnd().split('\n')).toHaveLength(3);
    const json = JSON.parse((await audit('verify', '--json')).stdout);
    expect(json.first).toMatchObject({ kind: 'record-missing', eventId });
  });

  it('rejects older checkpoints', async () => {
    const state = path.join(scratch.root, 'older');
    mkdirSync(path.join(state, 'audit'), { recursive: true });
    const file = (folder: string, name: string) => path.join(folder, 'audit', name);
    copyFileSync(file(said.state!, 'public-key.pem'), file(state, 'public-key.pem'));
    const lines = readFileSync(file(said.state!, 'checkpoints.ndjson'), 'utf8').split('\n');
    writeFileSync(file(state, 'checkpoints.ndjson'), `${lines.slice(1).join('\n')}`);
    const { code, stderr } = await audit('verify', '--state', state);
    expect([code, stderr]).toEqual([98, expect.stringContaining('checkpoint')]);
  });
});
