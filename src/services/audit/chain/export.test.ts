import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { exportCsv } from './export-csv.ts';
import { exportNdjson } from './export-ndjson.ts';
import { exportOcsf } from './export-ocsf.ts';
import type { ExportScope } from './export-scope.ts';
import { memoryLog } from './fixtures/memory-log.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'audit-export-'));
afterAll(() => rmSync(folder, { recursive: true }));

const verifier = fileURLToPath(new URL('../../../../bin/verify-audit-export.js', import.meta.url));
const everything: ExportScope = { organisationId: null, from: null, to: null, shards: 4 };

async function linesOf(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

function verifyLines(lines: readonly string[], publicKeyPem: string, suffix = '.ndjson') {
  const bundle = path.join(folder, `bundle${suffix}`);
  const keyFile = path.join(folder, 'key.pem');
  const text = lines.map((line) => `${line}\n`).join('');
  writeFileSync(bundle, suffix.endsWith('.gz') ? gzipSync(text) : text);
  writeFileSync(keyFile, publicKeyPem);
  const ran = spawnSync(process.execPath, [verifier, bundle, keyFile], {
    encoding: 'utf8',
    timeout: 15_000,
  });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

type Line = Record<string, unknown> & { record?: Record<string, unknown> };

/** A bundle with its trailer made to fit: only the hashes inside can tell. */
async function forged(edit: (lines: Line[]) => Line[]): Promise<string[]> {
  const { createHash } = await import('node:crypto');
  const lines = (await linesOf(exportNdjson(memoryLog().source, everything))).map(
    (line) => JSON.parse(line) as Line,
  );
  const edited = edit(lines.slice(0, -1)).map((line) => JSON.stringify(line));
  const count = (kind: string) => edited.filter((line) => line.includes(`"kind":"${kind}"`)).length;
  const digest = createHash('sha256').update(edited.map((line) => `${line}\n`).join(''));
  return [
    ...edited,
    JSON.stringify({
      kind: 'trailer',
      records: count('record'),
      blocks: count('block'),
      checkpoints: count('checkpoint'),
      digest: digest.digest('hex'),
    }),
  ];
}

const middle = (lines: readonly Line[], kind: string): number => {
  const places = lines.flatMap((line, i) => (line.kind === kind ? [i] : []));
  return places[Math.floor(places.length / 2)]!;
};

describe('the bundle', () => {
  it('holds for the independent verifier, whole, of one tenant, of a time, and in gzip', async () => {
    const { source, key } = memoryLog();
    const scopes: ExportScope[] = [
      everything,
      { ...everything, organisationId: '2' },
      { ...everything, from: '2026-10-31T00:00:00.000000Z', to: '2026-11-01T00:00:00.000000Z' },
    ];
    for (const scope of scopes) {
      const lines = await linesOf(exportNdjson(source, scope));
      const { code, out, err } = verifyLines(lines, key.publicKeyPem);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      const records = lines.filter((line) => line.includes('"kind":"record"')).length;
      expect(out).toMatch(new RegExp(`^holds: ${records} records `));
    }
    const lines = await linesOf(exportNdjson(source, everything));
    expect(verifyLines(lines, key.publicKeyPem, '.ndjson.gz').code).toBe(0);
  });

  it('of a tenant has nothing of another but ids and hashes', async () => {
    const scope = { ...everything, organisationId: '2' };
    const lines = await linesOf(exportNdjson(memoryLog().source, scope));
    const records = lines.map((line) => JSON.parse(line) as Line).filter(({ record }) => record);
    expect(records.length).toBe(48);
    expect(records.every(({ record }) => record!.organisationId === '2')).toBe(true);
    expect(lines.filter((line) => line.includes('req-')).length).toBe(records.length);
  });

  it.each<[string, (lines: Line[]) => Line[], RegExp]>([
    [
      'an edited record',
      (lines) => {
        const at = middle(lines, 'record');
        lines[at]!.record!.outcome = 'denied or not';
        return lines;
      },
      /record 01935a7e.*shard \d, sequence \d+: it is not what was hashed/,
    ],
    [
      'a record that is there twice',
      (lines) => lines.toSpliced(middle(lines, 'record'), 0, lines[middle(lines, 'record')]!),
      /record .*out of order/,
    ],
    [
      'a missing block',
      (lines) => lines.filter(({ kind }, i) => kind !== 'record' && i !== middle(lines, 'block')),
      /block \d+, shard \d, sequence \d+: one is missing before it/,
    ],
    [
      'another root',
      (lines) => {
        lines[middle(lines, 'block')]!.root = 'ab'.repeat(32);
        return lines;
      },
      /its hash is not that of its header/,
    ],
    [
      'other members',
      (lines) => {
        const block = lines[middle(lines, 'block')]!;
        block.members = Buffer.alloc((block.records as number) * 56).toString('base64');
        return lines;
      },
      /its members do not lead to its root/,
    ],
    [
      'the end cut off',
      (lines) => {
        const last = lines.findLastIndex(({ kind }) => kind === 'checkpoint');
        const kept = lines.slice(0, Math.floor(last / 2));
        return [...kept, lines[last]!];
      },
      /checkpoint: names block \d+ of shard \d, and the bundle ends before it/,
    ],
    [
      'no checkpoint',
      (lines) => lines.filter(({ kind }) => kind !== 'checkpoint'),
      /no checkpoint/,
    ],
    [
      'a count in the checkpoint',
      (lines) => {
        const checkpoint = lines.at(-1)!;
        checkpoint.line = (checkpoint.line as string).replace('"blocks":"', '"blocks":"1');
        return lines;
      },
      /checkpoint: is not signed with the given key/,
    ],
  ])('with %s does not hold, and the place is named', async (_name, edit, message) => {
    const lines = await forged(edit);
    const { code, err } = verifyLines(lines, memoryLog().key.publicKeyPem);
    expect(err).toMatch(message);
    expect(code).toBe(98);
  });

  it('does not hold under another key or when a line is lost', async () => {
    const { source, key } = memoryLog();
    const lines = await linesOf(exportNdjson(source, everything));
    const other = memoryLog(20).key;
    expect(verifyLines(lines, other.publicKeyPem)).toMatchObject({ code: 98 });
    const lost = lines.filter((_, i) => i !== 3);
    expect(verifyLines(lost, key.publicKeyPem)).toMatchObject({ code: 98 });
    expect(verifyLines(lines.slice(0, -1), key.publicKeyPem).err).toMatch(/cut short/);
  });

  it('that is none is an error of another kind', () => {
    expect(verifyLines(['not json'], memoryLog().key.publicKeyPem).code).toBe(2);
  });
});

describe('CSV', () => {
  it('has every sequenced record of the scope in a row, with formulas as text', async () => {
    const log = memoryLog();
    const [row] = (await log.rows()).slice(10, 11);
    await log.update(row!.eventId, { resourceId: '=cmd|"calc"!A1,\r\nx', reason: '-1+1' });
    const lines = await linesOf(exportCsv(log.source, everything));
    expect(lines).toHaveLength(241);
    expect(lines.every((line) => line.endsWith('\r'))).toBe(true);
    const edited = lines.find((line) => line.includes(row!.eventId))!;
    expect(edited).toContain(`,"'=cmd|""calc""!A1,\r\nx",`);
    expect(edited).toContain(`,'-1+1,`);
  });
});

describe('OCSF', () => {
  it('is API Activity with an attestation that names the event before it in the shard', async () => {
    const log = memoryLog();
    const events = (await linesOf(exportOcsf(log.source, everything))).map((line) =>
      JSON.parse(line),
    );
    expect(events).toHaveLength(240);
    const before = new Map<string, { uid: string; fingerprint: unknown }>();
    for (const event of events) {
      const { chain_uid, prev_event, fingerprint, authority_uid } = event.attestation;
      expect(event).toMatchObject({ class_uid: 6003, category_uid: 6 });
      expect(event.type_uid).toBe(600_300 + event.activity_id);
      expect(event.metadata.profiles).toContain('record_integrity');
      expect(prev_event).toEqual(before.get(chain_uid) ?? null);
      expect(authority_uid).toBe(log.key.keyId);
      before.set(chain_uid, { uid: event.metadata.uid, fingerprint });
    }
  });

  it('says a denial is a failure, and which', async () => {
    const lines = await linesOf(exportOcsf(memoryLog().source, everything));
    const denied = lines.map((line) => JSON.parse(line)).find(({ status_id }) => status_id === 2);
    expect(denied).toMatchObject({ status_code: 'rate-limited', status_detail: 'denied' });
  });
});
