// `audit export --out` where writing ends early: a reader that leaves, a disk that fills. The log's lines are given here.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AuditCall } from './audit-call.ts';
import { exportLog } from './audit-export.ts';
import { captureIo } from './fixtures/captured-io.ts';

const LINE = 'x'.repeat(1_000);
const LINES = 4_000;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'platform-export-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => path.join(folder, name);

async function exportTo(out: string): Promise<{ code: number; read: number; stderr: string }> {
  let read = 0;
  async function* exportLines() {
    for (; read < LINES; read += 1) yield LINE;
  }
  const io = captureIo({});
  const admin = { exportLines } as unknown as AuditCall['admin'];
  const code = await exportLog({ admin, argument: '', flags: { out }, io } as AuditCall);
  return { code, read, stderr: io.errors() };
}

describe('audit export --out', () => {
  it('ends when the reader of its pipe leaves, as it does for stdout', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const reader = spawn('head', ['-c', '10', at('pipe')], { stdio: 'ignore' });
    const { code, read, stderr } = await exportTo(at('pipe'));
    if (reader.exitCode === null) await once(reader, 'exit');
    expect([code, read < LINES, stderr]).toEqual([0, true, '']);
    expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
  });

  it('writes all of it into a pipe that is read', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const reader = spawn('wc', ['-c', at('pipe')]);
    let counted = '';
    reader.stdout.on('data', (chunk) => (counted += String(chunk)));
    const ended = once(reader, 'close');
    expect((await exportTo(at('pipe'))).code).toBe(0);
    await ended;
    expect(Number.parseInt(counted, 10)).toBe(LINES * (LINE.length + 1));
  });

  it('leaves the old file and nothing beside it when the disk fills', async ({ skip }) => {
    mkdirSync(at('disk'));
    const mount = ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at('disk')];
    try {
      execFileSync('mount', mount, { stdio: 'ignore', timeout: 10_000 });
    } catch {
      return skip('no tmpfs can be mounted here');
    }
    try {
      writeFileSync(at('disk/audit.ndjson'), 'before');
      const error = await exportTo(at('disk/audit.ndjson')).catch((thrown) => thrown);
      expect(error).toMatchObject({ exitCode: 3, why: expect.stringContaining('ENOSPC') });
      expect(error.toLines().split('\n')).toHaveLength(3);
      expect(readdirSync(at('disk'))).toEqual(['audit.ndjson']);
      expect(readFileSync(at('disk/audit.ndjson'), 'utf8')).toBe('before');
    } finally {
      execFileSync('umount', [at('disk')], { timeout: 10_000 });
    }
  });
});
