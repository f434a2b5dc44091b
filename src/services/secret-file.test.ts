import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSecretKey } from './secret-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'secret-file-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('is one key for all processes, whoever is first, that only its user can read', async () => {
  const file = path.join(folder, 'own', 'key');
  const keys = await Promise.all(Array.from({ length: 20 }, () => openSecretKey(file)));
  expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
  expect(keys[0]).toHaveLength(32);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);
});

it('is refused when it is short', async () => {
  const file = path.join(folder, 'key');
  await writeFile(file, 'c2hvcnQ=');
  await expect(openSecretKey(file)).rejects.toThrow('has not 32 bytes');
});
