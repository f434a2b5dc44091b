import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { makeScratch, type Scratch } from '../../sim/effects/testbed/fixtures/bed.ts';
import { EnvironmentError, UsageError } from '../../sim/errors.ts';
import { captureIo } from '../fixtures/captured-io.ts';
import { runSetup } from './setup.ts';

// A package manager of our own on a PATH of our own: the steps really run, the machine stays as it is.
let scratch: Scratch;
let bin: string;
let env: NodeJS.ProcessEnv;

function program(name: string, script: string): void {
  const file = path.join(bin, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

const INSTALLS = `echo "$@" >> ${'$'}{0%/*}/calls
printf '#!/bin/sh\\n' > ${'$'}{0%/*}/redis-server; chmod 755 ${'$'}{0%/*}/redis-server
printf '#!/bin/sh\\n' > ${'$'}{0%/*}/taskset; chmod 755 ${'$'}{0%/*}/taskset`;
const calls = () =>
  existsSync(path.join(bin, 'calls')) ? readFileSync(path.join(bin, 'calls'), 'utf8') : '';

beforeAll(async () => {
  scratch = await makeScratch();
  bin = path.join(scratch.root, 'bin');
  env = { ...scratch.env, PATH: bin };
});
beforeEach(() => {
  rmSync(bin, { recursive: true, force: true });
  mkdirSync(bin);
  for (const tool of ['chmod', 'id', 'sh']) symlinkSync(`/bin/${tool}`, path.join(bin, tool));
  program('sudo', 'exec "$@"');
  symlinkSync('/usr/bin/env', path.join(bin, 'env'));
  program('dnf', INSTALLS);
});
afterAll(() => scratch.remove());

test('installs what is missing, prepares PostgreSQL and the templates, and is idempotent', async () => {
  const prepared: string[] = [];
  const options = {
    yes: true,
    prepareTemplates: async (onNote: (text: string) => void) => {
      onNote('building turn4');
      prepared.push('turn4');
    },
  };
  const io = captureIo(env);
  expect(await runSetup(io, options)).toBe(0);
  expect(io.errors()).toMatch(/setup will run:\n {2}(sudo )?dnf install -y redis\n/);
  expect(io.errors()).toContain('It starts no system-wide daemon');
  expect(io.errors()).toContain('building turn4');
  expect(io.out()).toBe('ready\n');
  expect(prepared).toEqual(['turn4']);
  const before = calls();
  expect(before).toContain('install -y redis');

  const second = captureIo(env);
  expect(await runSetup(second, options)).toBe(0);
  expect(second.errors()).toContain('nothing to install');
  expect(calls()).toBe(before);
});

test('does not install without a yes: exit 2 without a terminal', async () => {
  const io = captureIo(env);
  const error = await runSetup(io).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(UsageError);
  expect(error.next).toBe('platform setup --yes');
  expect(io.errors()).toContain('setup will run:');
  expect(calls()).toBe('');
});

test.each([
  ['y\n', 0],
  ['yes\n', 0],
  ['\n', 3],
  ['no\n', 3],
  [undefined, 3],
])('at a terminal the answer %j exits %i', async (input, exitCode) => {
  const io = captureIo(env, { isInteractive: true, ...(input === undefined ? {} : { input }) });
  expect(await runSetup(io)).toBe(exitCode);
  expect(io.errors()).toContain('Proceed? [y/N]');
  expect(calls() === '').toBe(exitCode === 3);
});

test('quotes the package manager when it fails', async () => {
  program('dnf', 'echo working; echo "Error: no network" >&2; exit 1');
  const error = await runSetup(captureIo(env), { yes: true }).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(EnvironmentError);
  expect(error.toLines()).toMatch(
    /^cannot install redis \(exit 1\)\nError: no network\nnext: (sudo )?dnf install -y redis$/,
  );
});

test('notices when the package manager is content and Redis is still missing', async () => {
  program('dnf', 'exit 0');
  const error = await runSetup(captureIo(env), { yes: true }).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(EnvironmentError);
  expect(error.why).toContain('not on PATH');
});

test('says what to do where there is no package manager', async () => {
  rmSync(path.join(bin, 'dnf'));
  const error = await runSetup(captureIo(env), { yes: true }).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(EnvironmentError);
  expect(error.toLines()).toMatch(
    /redis is not installed\nthere is no apt-get.*\nnext: install Redis/,
  );
});

test('needs no Redis and no PostgreSQL when both are external', async () => {
  const external = { ...env, REDIS_URL: 'redis://h', DATABASE_URL: 'postgres://h/d' };
  program('taskset', '');
  expect(await runSetup(captureIo(external))).toBe(0);
  expect(calls()).toBe('');
});

test('refuses to install something it does not know', async () => {
  await expect(runSetup(captureIo(env), { with: ['emacs'] })).rejects.toThrow(UsageError);
});
