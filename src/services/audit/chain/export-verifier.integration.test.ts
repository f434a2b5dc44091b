/** The verifier that shares no code with us: whole bundles hold, and every single check of it catches what it is for. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { signCheckpoint, type UnsignedCheckpoint } from './checkpoint.ts';
import { exportNdjson } from './export-ndjson.ts';
import type { ExportScope } from './export-scope.ts';
import { linesOf, wholeLog } from './fixtures/export-lines.ts';
import { columns, edits } from './fixtures/log.ts';
import { memoryLog } from './fixtures/memory-log.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'audit-export-'));
afterAll(() => rmSync(folder, { recursive: true }));

const verifier = fileURLToPath(new URL('../../../../bin/verify-audit-export.js', import.meta.url));
const { key } = memoryLog();

function verifyBytes(bytes: Buffer | string, publicKeyPem: string, suffix = '.ndjson') {
  const bundle = path.join(folder, `bundle${suffix}`);
  const keyFile = path.join(folder, 'key.pem');
  writeFileSync(bundle, bytes);
  writeFileSync(keyFile, publicKeyPem);
  return run(bundle, keyFile);
}

function run(...argv: string[]) {
  const ran = spawnSync(process.execPath, [verifier, ...argv], {
    encoding: 'utf8',
    timeout: 15_000,
  });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

const textOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');
const verifyLines = (lines: readonly string[], publicKeyPem = key.publicKeyPem) =>
  verifyBytes(textOf(lines), publicKeyPem);

// biome-ignore lint/suspicious/noExplicitAny: a line is whatever the attack makes of it.
type Line = Record<string, any>;
type Edit = (lines: Line[]) => Line[];

const bundleOf = async (scope: ExportScope): Promise<Line[]> =>
  (await linesOf(exportNdjson(memoryLog().source, scope))).map((line) => JSON.parse(line));

/** A forged bundle with a valid trailer: only the hashes inside reveal it. */
async function forged(edit: Edit, scope = wholeLog): Promise<string[]> {
  const edited = edit((await bundleOf(scope)).slice(0, -1)).map((line) => JSON.stringify(line));
  const count = (kind: string) => edited.filter((line) => line.includes(`"kind":"${kind}"`)).length;
  const trailer = {
    kind: 'trailer',
    records: count('record'),
    blocks: count('block'),
    checkpoints: count('checkpoint'),
    digest: createHash('sha256').update(textOf(edited)).digest('hex'),
  };
  return [...edited, JSON.stringify(trailer)];
}

/** The one in the middle of its kind. */
const middle = (lines: readonly Line[], kind: string): number => {
  const places = lines.flatMap((line, i) => (line.kind === kind ? [i] : []));
  return places[Math.floor(places.length / 2)]!;
};

/** Changes the line in the middle of its kind. */
const changed =
  (kind: string, change: (line: Line) => object): Edit =>
  (lines) =>
    lines.with(middle(lines, kind), {
      ...lines[middle(lines, kind)]!,
      ...change(lines[middle(lines, kind)]!),
    });
const without =
  (of: (line: Line, index: number, all: readonly Line[]) => boolean): Edit =>
  (lines) =>
    lines.filter((...given) => !of(...given));

/** Of the first record whose layout has neither the client's request id nor a change. */
const beyondVersion1 =
  (fields: object): Edit =>
  (lines) => {
    const place = lines.findIndex(({ record }) => record?.version === 1);
    const { record, ...line } = lines[place]!;
    return lines.with(place, { ...line, record: { ...record, ...fields } });
  };

/** A checkpoint that is signed with the key, and says something else. */
const signedAnew = (change: (content: UnsignedCheckpoint) => UnsignedCheckpoint): Edit =>
  changed('checkpoint', ({ line }) => ({ line: signCheckpoint(change(JSON.parse(line)), key) }));

const firstHead = (change: object) =>
  signedAnew((content) => ({
    ...content,
    shards: content.shards.map((head, i) => (i === 0 ? { ...head, ...change } : head)),
  }));

const attacks: readonly [string, Edit, RegExp][] = [
  // The bundle itself.
  ['another format', changed('header', () => ({ version: 2 })), /header: its format is unknown/],
  ['two headers', (lines) => [lines[0]!, ...lines], /header: it does not belong here/],
  ['no header', (lines) => lines.slice(1), /^does not hold: block 1.*it does not belong here/],
  [
    'a line of its own kind',
    changed('record', () => ({ kind: 'toString' })),
    /^does not hold: toString.*it does not belong here/,
  ],
  // Blocks.
  [
    'an unknown block',
    changed('block', () => ({ version: 2 })),
    /block \d+, .*version 2 of blocks/,
  ],
  [
    'a shard in words',
    changed('block', () => ({ shard: '1' })),
    /block \d+, shard 1.*not a number/,
  ],
  [
    'a missing block',
    without(({ kind }, i, all) => kind === 'record' || i === middle(all, 'block')),
    /block \d+, shard \d, sequence \d+: one is missing before it/,
  ],
  [
    'a gap in the sequence',
    changed('block', ({ firstSequence }) => ({ firstSequence: `${Number(firstSequence) + 1}` })),
    /block \d+, .*its sequence has a gap/,
  ],
  [
    'another block before',
    changed('block', () => ({ previous: 'ab'.repeat(32) })),
    /block \d+, .*the link before it is broken/,
  ],
  [
    'a member too many',
    changed('block', ({ members }) => ({
      members: Buffer.concat([Buffer.from(members, 'base64'), Buffer.alloc(56)]).toString('base64'),
    })),
    /block \d+, .*not as many as it says/,
  ],
  [
    'another root',
    changed('block', () => ({ root: 'ab'.repeat(32) })),
    /block .*that of its header/,
  ],
  [
    'another date',
    changed('block', () => ({ sequencedAt: '2026-10-31T00:00:00.000000Z' })),
    /block .*that of its header/,
  ],
  [
    'a date that is none',
    changed('block', () => ({ sequencedAt: '2026-10-31' })),
    /block .*is not a time/,
  ],
  [
    'other members',
    changed('block', ({ records }) => ({ members: Buffer.alloc(records * 56).toString('base64') })),
    /block .*do not lead to its root/,
  ],
  // Records.
  [
    'a record in another shard',
    changed('record', ({ shard }) => ({ shard: (shard + 1) % 4 })),
    /record .*in the wrong shard/,
  ],
  [
    'another number of shards',
    changed('header', () => ({ shards: 5 })),
    /record .*in the wrong shard/,
  ],
  [
    'a record before its block',
    changed('record', () => ({ sequence: '1000' })),
    /record .*not in the block before it/,
  ],
  [
    'a record of an earlier block',
    changed('record', () => ({ sequence: '1' })),
    /record .*out of order/,
  ],
  [
    'a record that is there twice',
    (lines) => lines.toSpliced(middle(lines, 'record'), 0, lines[middle(lines, 'record')]!),
    /record .*out of order/,
  ],
  [
    'a field that is not hashed',
    changed('record', ({ record }) => ({ record: { ...record, note: 'approved' } })),
    /record .*a field that is not hashed/,
  ],
  [
    'a number that would wrap around',
    changed('record', ({ record }) => ({
      record: { ...record, organisationId: `${BigInt(record.organisationId) + 2n ** 64n}` },
    })),
    /record .*not what was hashed/,
  ],
  [
    'an absent field',
    changed('record', ({ record: { reason, ...record } }) => ({ record })),
    /record /,
  ],
  [
    "a client's request id in a record of version 1",
    beyondVersion1({ clientRequestId: 'client-1' }),
    /record .*a field that is not hashed/,
  ],
  [
    'a change in a record of version 1',
    beyondVersion1({ change: '{"before":null,"after":{"role":"operator"}}' }),
    /record .*a field that is not hashed/,
  ],
  // Checkpoints.
  [
    'no checkpoint',
    without(({ kind }) => kind === 'checkpoint'),
    /trailer: there is no checkpoint/,
  ],
  [
    'a count in the checkpoint',
    changed('checkpoint', ({ line }) => ({ line: line.replace('"blocks":"', '"blocks":"1') })),
    /checkpoint: it is not signed with the given key/,
  ],
  [
    'a checkpoint in another spelling',
    changed('checkpoint', ({ line }) => ({ line: JSON.stringify(JSON.parse(line), null, 1) })),
    /checkpoint: it is not signed with the given key/,
  ],
  ['a signed hash of another log', firstHead({ head: 'ab'.repeat(32) }), /it does not fit block/],
  ['a signed number of records', firstHead({ records: '1' }), /it does not fit block/],
  [
    'the end cut off',
    (lines) => [...lines.slice(0, Math.floor(lines.length / 2)), lines.at(-1)!],
    /checkpoint: it names block \d+ of shard \d, and the bundle ends before it/,
  ],
];

describe('the bundle', () => {
  it('holds for the independent verifier, whole, of one tenant, of a time, and in gzip', async () => {
    const { source } = memoryLog();
    const scopes: ExportScope[] = [
      wholeLog,
      { ...wholeLog, organisationId: '2' },
      { ...wholeLog, from: '2026-10-31T00:00:00.000000Z', to: '2026-11-01T00:00:00.000000Z' },
    ];
    for (const scope of scopes) {
      const lines = await linesOf(exportNdjson(source, scope));
      const { code, out, err } = verifyLines(lines);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      const records = lines.filter((line) => line.includes('"kind":"record"')).length;
      expect(out).toMatch(new RegExp(`^holds: ${records} records of the \\d+ in \\d+ blocks; \\d`));
    }
    const text = textOf(await linesOf(exportNdjson(source, wholeLog)));
    expect(verifyBytes(gzipSync(text), key.publicKeyPem, '.ndjson.gz').code).toBe(0);
  });

  it.each(attacks)(
    'with %s does not hold, and the place is named',
    async (_name, edit, message) => {
      const { code, err } = verifyLines(await forged(edit));
      expect(err).toMatch(message);
      expect(err.trimEnd().split('\n')).toHaveLength(1);
      expect(code).toBe(98);
    },
  );

  it('does not hold with any column of a record edited, and names the record', async () => {
    const original = (await memoryLog().rows())[101]!;
    for (const column of columns)
      for (const edit of edits(original, column).slice(0, 1)) {
        const lines = await forged((all) =>
          all.map((line) =>
            line.record?.eventId === original.eventId
              ? { ...line, record: { ...edit, sealed: edit.sealed?.toString('base64') ?? null } }
              : line,
          ),
        );
        const { code, err } = verifyLines(lines);
        expect([column, code, err]).toEqual([
          column,
          98,
          expect.stringContaining(`record ${edit.eventId}, shard `),
        ]);
      }
  });

  it('does not hold with a forged chain beside the true one, in whatever spelling of the shard', async () => {
    const truth = await bundleOf(wholeLog);
    const forgery = changed('block', ({ records }) => ({
      members: Buffer.alloc(records * 56, 1).toString('base64'),
    }));
    for (const shard of ['1', 65_537, 1.5]) {
      const lines = await forged((all) => [
        ...forgery(all).slice(0, -1),
        ...truth.filter(({ kind }) => kind === 'block').map((line) => ({ ...line, shard })),
        all.at(-1)!,
      ]);
      expect(verifyLines(lines).code).toBe(98);
    }
  });

  it('of a tenant does not hold without its blocks, or with a record of another', async () => {
    const scope = { ...wholeLog, organisationId: '2' };
    const stripped = await forged(
      without(({ kind }) => kind === 'block' || kind === 'record'),
      scope,
    );
    expect(verifyLines(stripped).err).toMatch(/checkpoint: it names block \d+ of shard 2, and/);
    const relabelled = await forged(changed('header', () => ({ organisationId: '2' })));
    expect(verifyLines(relabelled).err).toMatch(/record .*of another organisation/);
  });

  it('does not hold under another key, when a line is lost, or when something follows it', async () => {
    const lines = await linesOf(exportNdjson(memoryLog().source, wholeLog));
    const bad = (given: readonly string[], message: RegExp, pem?: string) => {
      const { code, err } = verifyLines(given, pem);
      expect([code, err]).toEqual([98, expect.stringMatching(message)]);
    };
    bad(lines, /checkpoint: it is not signed/, memoryLog(20).key.publicKeyPem);
    const record = lines.findIndex((line) => line.includes('"kind":"record"'));
    bad(lines.toSpliced(record, 1), /trailer: not all records are there/);
    const trailer = JSON.parse(lines.at(-1)!);
    const recounted = { ...trailer, records: trailer.records - 1 };
    bad([...lines.toSpliced(record, 1).slice(0, -1), JSON.stringify(recounted)], /the digest/);
    bad(lines.slice(0, -1), /the bundle: it is cut short/);
    bad([], /the bundle: it is cut short/);
    bad([...lines, lines[record]!], /record .*it does not belong here/);
  });

  it('that cannot be read is an error of another kind', async () => {
    const text = textOf(await linesOf(exportNdjson(memoryLog().source, wholeLog)));
    const pem = key.publicKeyPem;
    const [bundle, keyFile] = [path.join(folder, 'bundle.ndjson'), path.join(folder, 'key.pem')];
    const unreadable = [
      verifyLines(['not json']),
      verifyLines(['null']),
      verifyBytes(gzipSync(text).subarray(0, 900), pem, '.ndjson.gz'),
      verifyBytes(text, pem, '.ndjson.gz'),
      verifyBytes(text, 'no key'),
      run(path.join(folder, 'nowhere'), keyFile),
      run(path.join(folder, 'nowhere.gz'), keyFile),
      run(bundle),
      run(),
    ];
    for (const { code, out, err } of unreadable) {
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(/^cannot be read: .+\n$/);
    }
  });
});
