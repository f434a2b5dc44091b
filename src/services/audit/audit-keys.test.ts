import { verify } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openAuditKeys } from './audit-keys.ts';
import { keyIdOf } from './chain/checkpoint.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'platform-keys-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

it('makes one set of keys, however many come at once, and leaves nothing else behind', async () => {
  const folder = path.join(root, 'state', 'audit');
  const all = await Promise.all(Array.from({ length: 8 }, () => openAuditKeys(folder)));
  const [first] = all;
  for (const keys of all) {
    expect(keys.keyId).toBe(first!.keyId);
    expect(keys.wrappingKey).toEqual(first!.wrappingKey);
  }
  expect(first!.wrappingKey).toHaveLength(32);
  expect((await readdir(folder)).sort()).toEqual(['keys.json', 'public-key.pem']);
  expect((await stat(path.join(folder, 'keys.json'))).mode & 0o777).toBe(0o600);
  const pem = await readFile(path.join(folder, 'public-key.pem'), 'utf8');
  expect(pem).toBe(first!.publicKeyPem);
  expect(keyIdOf(pem)).toBe(first!.keyId);
  const again = await openAuditKeys(folder);
  expect(verify(null, Buffer.from('said'), pem, again.sign(Buffer.from('said')))).toBe(true);
});

it('says so when the file does not hold keys, and touches nothing', async () => {
  const file = path.join(root, 'keys.json');
  await writeFile(file, '{"signing":"x","wrapping":"eA=="}');
  await expect(openAuditKeys(root)).rejects.toThrow('has not 32 bytes');
  await writeFile(file, '{}');
  await expect(openAuditKeys(root)).rejects.toThrow('does not hold the keys');
  expect(await readFile(file, 'utf8')).toBe('{}');
});
