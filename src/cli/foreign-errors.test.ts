import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it } from 'vitest';
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
