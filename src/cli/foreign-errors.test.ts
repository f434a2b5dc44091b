import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it, vi } from 'vitest';
import { ChildFailure } from '../sim/effects/process/child-process.ts';
import { EnvironmentError } from '../sim/errors.ts';
import { type CommandContext, explainError } from './crash.ts';

const context: CommandContext = {
  command: 'platform sim turn4',
  seed: 1,
  hasVerdict: true,
  cleanup: null,
};
const folder = mkdtempSync(path.join(tmpdir(), 'platform-foreign-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const explain = (error: unknown) => {
  const { text, exitCode } = explainError(error, context);
  return { exitCode, lines: text.split('\n') };
};
const withCode = (message: string, fields: object) => Object.assign(new Error(message), fields);

const childWith = (status: string, lastLines: readonly string[]) =>
  new ChildFailure('failed', { name: 'template', pid: 1, status, lastLines, logFile: '/log' });

it.each([
  [
    'a refused connection',
    withCode('connect ECONNREFUSED', { code: 'ECONNREFUSED', syscall: 'connect' }),
  ],
  [
    'no rights on a file',
    withCode('EACCES: permission denied', { code: 'EACCES', syscall: 'open' }),
  ],
  ['a full disk', withCode('ENOSPC: no space left', { code: 'ENOSPC', syscall: 'write' })],
  ['no descriptors', withCode('EMFILE: too many open files', { code: 'EMFILE', syscall: 'open' })],
  [
    'a user without a passwd entry',
    withCode('A system error occurred: uv_os_get_passwd returned ENOENT', {
      code: 'ERR_SYSTEM_ERROR',
    }),
  ],
  ['a certificate', withCode('self-signed certificate', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })],
  ['a server without TLS', new Error('The server does not support SSL connections')],
  [
    'missing rights',
    withCode('permission denied for schema', { code: '42501', severity: 'ERROR' }),
  ],
  ['a read-only replica', withCode('cannot execute CREATE', { code: '25006', severity: 'ERROR' })],
  [
    'a wrong password',
    withCode('password authentication failed', { code: '28P01', severity: 'FATAL' }),
  ],
  ['a database that starts', withCode('starting up', { code: '57P03', severity: 'FATAL' })],
  ['no such database', withCode('no such database', { code: '3D000', severity: 'FATAL' })],
  ['a password that is missing', new Error('SASL: client password must be a string')],
  ['a lost connection', new Error('Connection terminated unexpectedly')],
  ['a wrong host name', withCode('altnames', { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })],
  ['a certificate of tomorrow', withCode('not yet valid', { code: 'CERT_NOT_YET_VALID' })],
  [
    'a server without TLS that is asked for it',
    withCode('wrong version number', { code: 'EPROTO', syscall: 'write' }),
  ],
  ['a wrong password of Redis', new Error('WRONGPASS invalid username-password pair')],
  [
    'no rights in Redis',
    new Error("NOPERM User guest has no permissions to run the 'set' command"),
  ],
  ['a Redis that loads', new Error('LOADING Redis is loading the dataset in memory')],
  [
    'a missing program',
    withCode('spawn taskset ENOENT', { code: 'ENOENT', syscall: 'spawn taskset' }),
  ],
  ['a working folder that is gone', withCode('uv_cwd', { code: 'ENOENT', syscall: 'uv_cwd' })],
  ['a closed pipe', withCode('write EPIPE', { code: 'EPIPE', syscall: 'write' })],
  ['a child without memory', childWith('killed by SIGKILL', [])],
  [
    'a child on a full disk',
    childWith('exit status 1', ['Error: ENOSPC: no space left on device']),
  ],
  ['too many clients', withCode('sorry, too many clients', { code: '53300', severity: 'FATAL' })],
])('%s is of the machine: exit 3, three lines', (_what, error) => {
  for (const thrown of [error, new Error('could not start', { cause: error })]) {
    const { exitCode, lines } = explain(thrown);
    expect([exitCode, lines.length]).toEqual([3, 3]);
    expect(lines[2]).toMatch(/^next: ./);
    expect(lines.join()).not.toContain('bug');
  }
});

it.each([
  ['a wrong statement', withCode('syntax error at or near', { code: '42601', severity: 'ERROR' })],
  [
    'a file of ours that is not there',
    withCode('ENOENT: no such file', { code: 'ENOENT', syscall: 'open' }),
  ],
  ['a type error', new TypeError('x is not a function')],
  ['a thrown word', 'nothing'],
  ['a child of ours that crashed', childWith('exit status 1', ['TypeError: x is not a function'])],
  [
    'a refusal of our own server',
    childWith('exit status 1', ['error: permission denied for schema']),
  ],
])('%s stays a bug of ours', (_what, error) => {
  expect(explain(error)).toMatchObject({ exitCode: 1 });
});

it("names the file and the line of the user's module that threw", async () => {
  const file = path.join(folder, 'mine.mjs');
  await writeFile(file, 'export function check() {\n  return null.length;\n}\n');
  const { check } = (await import(pathToFileURL(file).href)) as { check(): void };
  let thrown: unknown;
  try {
    check();
  } catch (error) {
    thrown = error;
  }
  const { exitCode, lines } = explain(thrown);
  expect([exitCode, lines.length]).toEqual([2, 3]);
  expect(lines[0]).toMatch(/mine\.mjs threw: Cannot read properties of null/);
  expect(lines[1]).toMatch(/mine\.mjs:2$/);
  const wrapped = new EnvironmentError({ what: 'w', why: 'y', next: 'n' }, { cause: thrown });
  expect(explain(wrapped).lines[1]).toMatch(/^y \(.*mine\.mjs:2\)$/);
});

it("names the line of a module of the user's that crashed in a process of its own", () => {
  const lastLines = ['TypeError: no', '    at start (file:///tmp/my%20shop/service.mjs:12:3)'];
  const { exitCode, lines } = explain(childWith('exit status 1', lastLines));
  expect([exitCode, lines.length]).toEqual([2, 3]);
  expect(lines[1]).toMatch(/my shop\/service\.mjs:12$/);
});

it("a refusal of the operator's server, in the log of a process of ours, is of the machine", () => {
  vi.stubEnv('DATABASE_URL', 'postgres://h/d');
  const refused = childWith('exit status 1', ['error: permission denied to create role']);
  expect(explain(refused)).toMatchObject({ exitCode: 3 });
  vi.unstubAllEnvs();
});
