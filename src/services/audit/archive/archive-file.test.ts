import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAuditKeys } from '../audit-keys.ts';
import { sampleRecord } from '../chain/fixtures/log.ts';
import { ArchiveError, archivedRecords, checkArchive, writeArchive } from './archive-file.ts';

const header = {
  ...({ format: 'platform-audit-archive', version: 1, partition: 'audit_logs_2026_10' } as const),
  from: '2026-10-01T00:00:00.000000Z',
  to: '2026-11-01T00:00:00.000000Z',
};
/** One has characters that some line readers take for line ends. */
const records = Array.from({ length: 30 }, (_, n) => sampleRecord(n + 1)).with(7, {
  ...sampleRecord(8),
  resourceId: 'one\u2028two\u2029three\r\nfour',
});

let folder: string;
let file: string;
let publicKeys: string[];
let written: { records: number; digest: string };
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'archive-file-'));
  file = path.join(folder, 'archive.ndjson.gz');
  const keys = await openAuditKeys(folder);
  publicKeys = [keys.publicKeyPem];
  async function* each() {
    yield* records;
  }
  written = await writeArchive(file, { header, records: each(), keys });
});
afterAll(() => rm(folder, { recursive: true }));

async function check(bytes: Buffer): Promise<unknown> {
  const other = path.join(folder, 'other.ndjson.gz');
  await writeFile(other, bytes);
  return checkArchive(other, { publicKeys }).catch((error) => error);
}

describe('an archive', () => {
  it('returns what was written, whatever it contains', async () => {
    expect(await checkArchive(file, { publicKeys })).toEqual({ header, ...written });
    const read = [];
    for await (const record of archivedRecords(file)) read.push(record);
    expect(read).toEqual(records);
  });

  it('is intact or an ArchiveError with any byte changed', async () => {
    const bytes = await readFile(file);
    let refused = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const found = await check(bytes.with(at, bytes[at]! ^ 0x10) as Buffer);
      // A few bytes of the gzip header, such as time and system, do not matter.
      if (found instanceof ArchiveError) refused += 1;
      else expect(found).toEqual({ header, ...written });
    }
    expect(refused).toBeGreaterThan(bytes.length - 10);
  });

  it('is an ArchiveError when it is truncated anywhere', async () => {
    const bytes = await readFile(file);
    for (let end = 0; end < bytes.length; end += 7)
      expect(await check(bytes.subarray(0, end))).toBeInstanceOf(ArchiveError);
    const text = gunzipSync(bytes).toString();
    expect(await check(gzipSync(text))).toEqual({ header, ...written });
    for (const line of ['null\n', '{}\n', 'x'])
      expect(await check(gzipSync(text + line)), line).toBeInstanceOf(ArchiveError);
  });
});
