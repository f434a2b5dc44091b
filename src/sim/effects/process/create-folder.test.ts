import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFolder } from './create-folder.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'platform-folder-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('makes what is missing, once or twice, also at the same time', async () => {
  const folder = path.join(root, 'a', 'b', 'c');
  await Promise.all([createFolder(folder, 0o700), createFolder(folder, 0o700)]);
  await createFolder(folder);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

it('tells at once that a folder cannot be made', async () => {
  await expect(createFolder('/proc/x/y')).rejects.toMatchObject({ code: 'ENOENT' });
  writeFileSync(path.join(root, 'file'), '');
  await expect(createFolder(path.join(root, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(createFolder(path.join(root, 'file', 'x'))).rejects.toMatchObject({
    code: 'ENOTDIR',
  });
});
