import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOutputFile } from './output-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'platform-out-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => path.join(folder, name);

async function write(name: string, content: string) {
  const output = await openOutputFile(at(name));
  output.stream.write(content);
  await output.finish();
}

describe('what --out names', () => {
  it('is created for its user alone, and is whole or not there', async () => {
    const output = await openOutputFile(at('new'));
    output.stream.write('half');
    expect(existsSync(at('new'))).toBe(false);
    await output.discard();
    expect(readdirSync(folder)).toEqual([]);
    await write('new', 'whole');
    expect([readFileSync(at('new'), 'utf8'), statSync(at('new')).mode & 0o777]).toEqual([
      'whole',
      0o600,
    ]);
  });

  it('replaces a regular file, keeps its mode, and leaves it when it is given up', async () => {
    writeFileSync(at('old'), 'before');
    chmodSync(at('old'), 0o640);
    const output = await openOutputFile(at('old'));
    output.stream.write('x');
    await output.discard();
    expect(readFileSync(at('old'), 'utf8')).toBe('before');
    await write('old', 'after');
    expect([readFileSync(at('old'), 'utf8'), statSync(at('old')).mode & 0o777]).toEqual([
      'after',
      0o640,
    ]);
  });

  it('follows a link, and a link to nothing yet, which stay links', async () => {
    writeFileSync(at('target'), 'before');
    symlinkSync('target', at('link'));
    symlinkSync('later', at('dangling'));
    await write('link', 'one');
    await write('dangling', 'two');
    expect(readFileSync(at('target'), 'utf8')).toBe('one');
    expect(readFileSync(at('later'), 'utf8')).toBe('two');
    for (const name of ['link', 'dangling'])
      expect(lstatSync(at(name)).isSymbolicLink()).toBe(true);
  });

  it('writes into a pipe, which stays a pipe', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const reader = spawn('cat', [at('pipe')]);
    const read = text(reader.stdout);
    await write('pipe', 'through');
    expect(await read).toBe('through');
    expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
  });

  // Root gets a device of its own: a defect would replace that of the whole machine.
  it('writes into a device, which stays a device', async ({ skip }) => {
    const device = process.getuid?.() === 0 ? at('device') : '/dev/null';
    if (device !== '/dev/null') execFileSync('mknod', [device, 'c', '1', '3']);
    const isUsable = await writeFile(device, '').then(
      () => true,
      () => false,
    );
    skip(!isUsable, 'devices are not allowed in the temporary folder');
    const before = readdirSync(folder);
    symlinkSync(device, at('link'));
    await write('link', 'away');
    expect(statSync(device).isCharacterDevice()).toBe(true);
    expect(readdirSync(folder)).toEqual([...before, 'link']);
  });

  it('refuses a folder, and a circle of links', async () => {
    await expect(openOutputFile(folder)).rejects.toMatchObject({ exitCode: 2 });
    symlinkSync('b', at('a'));
    symlinkSync('a', at('b'));
    await expect(openOutputFile(at('a'))).rejects.toMatchObject({ code: 'ELOOP' });
  });
});
