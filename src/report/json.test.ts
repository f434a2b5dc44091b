import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { abortedResult, emptyResult, hostileResult } from './fixtures/edge-results.ts';
import { turn1Result } from './fixtures/turn1-result.ts';
import { turn4Result } from './fixtures/turn4-result.ts';
import { renderJson } from './json.ts';

interface ObjectSchema {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, unknown>>;
}

const schema = JSON.parse(
  readFileSync(new URL('../sim/result.schema.json', import.meta.url), 'utf8'),
) as ObjectSchema & { readonly $defs: Readonly<Record<string, ObjectSchema>> };
const source = ['result.ts', 'result/figures.ts', 'result/findings.ts']
  .map((file) => readFileSync(new URL(`../sim/${file}`, import.meta.url), 'utf8'))
  .join('\n');
const validate = new Ajv({ strict: true, allErrors: true, allowUnionTypes: true }).compile(schema);

describe('result.schema.json', () => {
  it.each([
    ['the turn 4 run', turn4Result],
    ['a drill', turn1Result],
    ['an aborted run', abortedResult],
    ['a run without data', emptyResult],
    ['hostile text', hostileResult],
  ])('accepts %s', (_name, result) => {
    validate(JSON.parse(renderJson(result)));
    expect(validate.errors).toBeNull();
  });

  it('refuses an unknown key, a missing key and a wrong type', () => {
    const { seed: _seed, ...withoutSeed } = turn4Result;
    expect(validate({ ...turn4Result, extra: 1 })).toBe(false);
    expect(validate(withoutSeed)).toBe(false);
    expect(validate({ ...turn4Result, exitCode: '0' })).toBe(false);
    expect(validate({ ...turn4Result, verdict: 'maybe' })).toBe(false);
  });

  const interfaces = [...source.matchAll(/^export interface (\w+) \{\n([\s\S]*?)^\}/gm)];

  const aliases = [...source.matchAll(/^export type (\w+) =/gm)].map(([, name]) => name!);

  it('describes every interface of result.ts', () => {
    const names = interfaces.map(([, name]) => name!).filter((name) => name !== 'Result');
    expect(
      Object.keys(schema.$defs)
        .filter((name) => !aliases.includes(name))
        .sort(),
    ).toEqual(names.sort());
  });

  it.each(interfaces.map(([, name, body]) => [name!, body!]))(
    'keeps the keys of %s',
    (name, body) => {
      const fields = [...body.matchAll(/^ {2}readonly (\w+)(\??):/gm)];
      const described = name === 'Result' ? schema : schema.$defs[name]!;
      expect(Object.keys(described.properties).sort()).toEqual(fields.map(([, key]) => key).sort());
      const required = fields.filter(([, , optional]) => optional === '').map(([, key]) => key);
      expect([...described.required].sort()).toEqual(required.sort());
    },
  );
});

describe('renderJson', () => {
  it('ends with one line feed, indents by two and reads back unchanged', () => {
    const text = renderJson(turn4Result);
    expect(text.endsWith('}\n')).toBe(true);
    expect(text.split('\n')[1]).toBe('  "schema": "platform-sim/result@3",');
    expect(renderJson(JSON.parse(text))).toBe(text);
  });
});
