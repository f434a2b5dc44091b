import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkEvidence, MANIFEST_FILE, writeManifest } from './evidence.ts';

let folder = '';
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'platform-evidence-'));
  mkdirSync(path.join(folder, 'logs', 'after'), { recursive: true });
  write('result.json', '{"verdict":"pass"}\n');
  write('history.ndjson.gz', Buffer.from([31, 139, 8, 0, 255, 254]));
  write('logs/after/gateway.log', '');
  await writeManifest(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (file: string, content: string | Buffer) =>
  writeFileSync(path.join(folder, file), content);
const problems = async () => (await checkEvidence(folder))?.problems;

describe('the evidence of a run', () => {
  it('is whole when nothing changed, empty files and folders of logs included', async () => {
    expect(await checkEvidence(folder)).toEqual({ files: 3, problems: [], ignored: [] });
  });

  it('names a file that grew, shrank, changed, vanished or appeared', async () => {
    write('logs/after/gateway.log', 'x');
    write('result.json', '{"verdict":"fail"}\n');
    rmSync(path.join(folder, 'history.ndjson.gz'));
    write('logs/other.log', 'new');
    expect(await problems()).toEqual([
      { path: 'history.ndjson.gz', problem: 'missing', detail: '6 bytes' },
      { path: 'logs/after/gateway.log', problem: 'changed', detail: '1 bytes, was 0' },
      {
        path: 'result.json',
        problem: 'changed',
        detail: expect.stringMatching(/^sha256 \w{12}, was \w{12}$/),
      },
      { path: 'logs/other.log', problem: 'not in the manifest', detail: '3 bytes' },
    ]);
  });

  it('names the manifest for any flipped bit of any of its bytes', async () => {
    const file = path.join(folder, MANIFEST_FILE);
    const bytes = readFileSync(file);
    for (let at = 0; at < bytes.length; at += 1) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (at % 8);
      writeFileSync(file, flipped);
      expect(await problems(), `byte ${at}`).toEqual([
        expect.objectContaining({ path: MANIFEST_FILE, problem: 'not a manifest' }),
      ]);
    }
  });

  it('names the manifest when an entry was dropped and the rest kept', async () => {
    const file = path.join(folder, MANIFEST_FILE);
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as { files: unknown[] };
    manifest.files.pop();
    writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
    expect(await problems()).toEqual([
      { path: MANIFEST_FILE, problem: 'not a manifest', detail: expect.stringContaining('digest') },
    ]);
  });

  it('says when there is no manifest', async () => {
    rmSync(path.join(folder, MANIFEST_FILE));
    expect(await checkEvidence(folder)).toBeNull();
  });
});
