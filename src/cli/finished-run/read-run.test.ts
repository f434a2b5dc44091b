import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { turn4Result } from '../../report/fixtures/turn4-result.ts';
import { readRun } from './read-run.ts';
import { resultVersions } from './result-versions.ts';

const baselines = fileURLToPath(new URL('../../../reports/baselines', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'run-reader-'));
afterAll(() => rmSync(folder, { recursive: true }));

function readDocument(document: unknown) {
  const file = join(folder, 'result.json');
  writeFileSync(file, JSON.stringify(document));
  return readRun(file);
}

describe('readRun', () => {
  it.each(readdirSync(baselines))(
    'reads the accepted run of %s, whatever its version',
    async (turn) => expect((await readRun(join(baselines, turn))).result.scenario).toBe(turn),
  );

  it('names the servers of a version 1 run by their nodes', async () => {
    const { environment } = (await readRun(join(baselines, 'turn4'))).result;
    expect(environment.versions).toEqual({ postgres: 'PostgreSQL 18.4', redis: 'Redis 7.0.15' });
    expect(environment).not.toHaveProperty('postgres');
  });

  it('reads what this version writes', async () => {
    expect([...resultVersions.keys()].at(-1)).toBe(turn4Result.schema);
    expect((await readDocument(turn4Result)).result).toEqual(turn4Result);
  });

  it.each([...resultVersions])(
    'checks %s against the schema of that name',
    (id, { schemaFile }) => {
      const text = readFileSync(new URL(`../../sim/${schemaFile}`, import.meta.url), 'utf8');
      expect(JSON.parse(text)).toMatchObject({ $id: id, properties: { schema: { const: id } } });
    },
  );

  it.each([
    [
      'a version it does not know',
      { ...turn4Result, schema: 'platform-sim/result@99' },
      '"platform-sim/result@99"',
    ],
    ['no version', {}, 'missing'],
    ['no object', null, 'missing'],
  ])('refuses %s and says which it reads', async (_name, document, found) => {
    const known = [...resultVersions.keys()].map((id) => `"${id}"`).join(' or ');
    await expect(readDocument(document)).rejects.toMatchObject({
      what: expect.stringContaining('is not a result this version can read'),
      why: `its schema is ${found}, expected ${known}`,
    });
  });

  it('refuses a damaged document in one sentence', async () => {
    const { seed: _seed, ...withoutSeed } = turn4Result;
    await expect(readDocument(withoutSeed)).rejects.toMatchObject({
      what: expect.stringContaining('is damaged'),
      why: 'seed is missing',
    });
  });
});
