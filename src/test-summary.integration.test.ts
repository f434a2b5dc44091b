// What a run of the tests ends with: printed by a run of its own, over files that pass, fail, skip and cannot be loaded.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const fromRoot = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const vitest = fromRoot('node_modules/vitest/vitest.mjs');
const config = `
import { CountReporter } from ${JSON.stringify(fromRoot('vitest.reporter.ts'))};
const project = (name) => ({ test: { name, globals: true, include: ['*.' + name + '.js'] } });
export default {
  test: { reporters: [new CountReporter()], projects: ['unit', 'timed'].map(project) },
};
`;
const passing = `test('passes', () => {}); test.skip('is skipped by its author', () => {});`;
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'platform-summary-'));
  await writeFile(path.join(folder, 'vitest.config.mjs'), config);
  await writeFile(path.join(folder, 'a.unit.js'), passing);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function run(): Promise<{ code: unknown; last: string[] }> {
  const env = { ...process.env, NODE_OPTIONS: '' };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [vitest, 'run'],
      { cwd: folder, env, timeout: 60_000 },
      (error, stdout) => resolve({ code: error?.code ?? 0, last: stdout.trim().split('\n') }),
    );
  });
}

it('is one line when nothing failed', async () => {
  expect(await run()).toEqual({ code: 0, last: ['tests: 1 passed, 0 failed, 1 skipped'] });
});

it('says how to repeat each failed file alone, and why a running test was skipped', async () => {
  const write = (name: string, text: string) => writeFile(path.join(folder, name), text);
  await write('b.unit.js', `test('fails', () => expect(1).toBe(2)); test('passes', () => {});`);
  await write('c.timed.js', `import './nothing-of-this-name.js';`);
  await write('d.timed.js', `test('gives up', ({ skip }) => skip('the machine was busy'));`);
  const { code, last } = await run();
  expect(code).toBe(1);
  expect(last.slice(0, -1).sort()).toEqual([
    'again: npm run -s build && npx vitest run --project timed c.timed.js',
    'again: npx vitest run --project unit b.unit.js',
    'skipped: d.timed.js > gives up: the machine was busy',
  ]);
  expect(last.at(-1)).toBe('tests: 2 passed, 2 failed, 2 skipped');
});
