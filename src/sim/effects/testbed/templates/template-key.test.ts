import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { templateKey } from './template-key.ts';

let folder: string;
const key = (change: Partial<Parameters<typeof templateKey>[0]> = {}) =>
  templateKey({
    steps: [{ name: 'fill', module: path.join(folder, 'fill.js'), params: { rows: 10 } }],
    roles: ['reader'],
    seed: 1,
    postgresVersion: '18.4',
    servicesFolder: path.join(folder, 'services'),
    ...change,
  });

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'template-key-'));
  await mkdir(path.join(folder, 'services', 'audit'), { recursive: true });
  await writeFile(path.join(folder, 'services', 'audit', 'schema.sql'), 'CREATE TABLE a ()');
  await writeFile(path.join(folder, 'services', 'routes.ts'), 'get()');
  await writeFile(path.join(folder, 'fill.js'), 'insert()');
});
afterEach(() => rm(folder, { recursive: true }));

test('is equal for equal inputs', async () => {
  expect(await key()).toBe(await key());
});

test('does not depend on files that build no data', async () => {
  const before = await key();
  await writeFile(path.join(folder, 'services', 'routes.ts'), 'get(); post()');
  expect(await key()).toBe(before);
});

test('changes with everything that builds the data', async () => {
  const step = { name: 'fill', module: path.join(folder, 'fill.js'), params: { rows: 11 } };
  const keys = [await key(), await key({ seed: 2 }), await key({ steps: [step] })];
  keys.push(await key({ postgresVersion: '18.5' }), await key({ roles: [] }));
  await writeFile(path.join(folder, 'fill.js'), 'insert(2)');
  keys.push(await key());
  await writeFile(path.join(folder, 'services', 'audit', 'schema.sql'), 'CREATE TABLE b ()');
  keys.push(await key());
  expect(new Set(keys).size).toBe(keys.length);
});
