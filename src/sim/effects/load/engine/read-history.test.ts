import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { HistoryRecord, OperationRecord } from '../../../history.ts';
import { HistoryWriter, operationLine } from './history-writer.ts';
import { CorruptHistory, readHistory } from './read-history.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'platform-history-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const text = fc.string({ unit: 'binary' });
const operation: fc.Arbitrary<OperationRecord> = fc.record(
  {
    kind: fc.constant('op' as const),
    id: fc.nat(),
    phase: text,
    name: text,
    user: text,
    requestId: text,
    scheduledUs: fc.nat(),
    sentUs: fc.integer({ min: -1 }),
    doneUs: fc.nat(),
    outcome: fc.constantFrom('ok' as const, 'fail' as const, 'unknown' as const),
    status: fc.nat(599),
    error: text,
    body: text,
    headers: fc.dictionary(text, text, { noNullPrototype: true }),
  },
  {
    requiredKeys: [
      'kind',
      'id',
      'phase',
      'name',
      'user',
      'requestId',
      'scheduledUs',
      'sentUs',
      'doneUs',
      'outcome',
      'status',
    ],
  },
) as fc.Arbitrary<OperationRecord>;

async function readAll(file: string): Promise<HistoryRecord[]> {
  const records: HistoryRecord[] = [];
  for await (const record of readHistory(file)) records.push(record);
  return records;
}

function file(name: string, content: string | Buffer): string {
  const full = path.join(folder, name);
  writeFileSync(full, content);
  return full;
}

const phase = '{"kind":"phase","name":"steady","startUs":0,"endUs":10,"judged":true}';

describe('a history', () => {
  it('round-trips any operation, with any text', () => {
    fc.assert(
      fc.property(operation, (record) => {
        const line = operationLine(record);
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(JSON.parse(line)).toEqual(record);
      }),
    );
  });

  it('is read as it was written, plain and gzipped', async () => {
    const records = fc.sample(operation, { numRuns: 500, seed: 7 });
    const plain = path.join(folder, 'plain.ndjson');
    const writer = new HistoryWriter(plain);
    for (const record of records.slice(0, 250)) writer.append(record);
    await writer.flush();
    expect(await readAll(plain)).toHaveLength(250);
    for (const record of records.slice(250)) writer.append(record);
    await writer.close();
    expect(await readAll(plain)).toEqual(records);
    const gzipped = gzipSync(records.map(operationLine).join(''));
    expect(await readAll(file('all.ndjson.gz', gzipped))).toEqual(records);
  });

  it('rejects in the writer when it cannot be written', async () => {
    const writer = new HistoryWriter(path.join(folder, 'missing', 'x.ndjson'));
    await expect(writer.close()).rejects.toThrow('cannot write the history');
  });
});

describe('a corrupt history is rejected with its line number', () => {
  it.each([
    ['half a record', '{"kind":"op","id":1', 'not JSON'],
    ['a foreign record', '{"level":30,"msg":"hi"}', 'not a record of a history'],
    ['null', 'null', 'not a record of a history'],
    ['an inherited kind', '{"kind":"constructor"}', 'not a record of a history'],
    ['a missing field', '{"kind":"fault","name":"x","event":"apply"}', 'fault needs atUs (whole)'],
    [
      'a fraction of a microsecond',
      '{"kind":"fault","name":"x","event":"apply","atUs":1.5}',
      'fault needs atUs (whole)',
    ],
    ...['[]', 'null', '{"retry-after":1}', '"x"'].map(
      (headers) =>
        [
          `headers that are ${headers.replaceAll('"', '')}`,
          `{"kind":"op","id":1,"phase":"p","name":"n","user":"","requestId":"r","scheduledUs":0,"sentUs":0,"doneUs":1,"outcome":"ok","status":200,"headers":${headers}}`,
          'op needs headers (object of strings)',
        ] as [string, string, string],
    ),
    ...['[]', '{"place":null}', '{"place":[1]}'].map(
      (facts) =>
        [
          `facts that are ${facts.replaceAll('"', '')}`,
          `{"kind":"effect","name":"audit","requestId":"r","user":"1","occurredAtUs":0,"id":"1","facts":${facts}}`,
          'effect needs facts (object of facts)',
        ] as [string, string, string],
    ),
    ...['{}', '[null]', '[{"what":"x"}]', '[{"what":"x","value":1,"atMost":"0"}]'].map(
      (evidence) =>
        [
          `evidence that is ${evidence.replaceAll('"', '')}`,
          `{"kind":"fault","name":"x","event":"measured","atUs":1,"evidence":${evidence}}`,
          'fault needs evidence (list of evidence)',
        ] as [string, string, string],
    ),
    [
      'a reading at another time',
      '{"kind":"rest","when":"during","atUs":1,"process":"gateway.1"}',
      'when cannot be during',
    ],
    [
      'an unheard-of event',
      '{"kind":"fault","name":"x","event":"pray","atUs":1}',
      'event cannot be pray',
    ],
  ])('%s', async (name, line, why) => {
    const broken = file(`${name}.ndjson`, `${phase}\n${phase}\n${line}\n${phase}\n`);
    const error = await readAll(broken).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(CorruptHistory);
    expect(error).toMatchObject({ line: 3 });
    expect((error as Error).message).toContain(why);
  });

  it('takes what was measured of a fault and of a process at rest', async () => {
    const records = [
      {
        kind: 'fault',
        name: 'x',
        event: 'measured',
        atUs: 1,
        evidence: [
          { what: 'bytes', value: 0, atMost: 0 },
          { what: 'increase', value: null, atLeast: 1 },
        ],
      },
      { kind: 'rest', when: 'after', atUs: 2, process: 'gateway.1', counts: { files: 20 } },
      { kind: 'rest', when: 'after', atUs: 2, process: 'gateway.2' },
    ];
    const lines = records.map((record) => JSON.stringify(record)).join('\n');
    expect(await readAll(file('measured.ndjson', lines))).toEqual(records);
  });

  it('when the gzip file is truncated', async () => {
    const whole = gzipSync(`${phase}\n`.repeat(50));
    const cut = file('cut.ndjson.gz', whole.subarray(0, whole.length - 12));
    await expect(readAll(cut)).rejects.toThrow(CorruptHistory);
  });

  it('a missing file is reported as missing', async () => {
    await expect(readAll(path.join(folder, 'none.ndjson'))).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });
});
