import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparedResult } from '../report/fixtures/limiter-comparison.ts';
import { turn4Result } from '../report/fixtures/turn4-result.ts';
import { type JsonSchema, schemaComplaint } from './json-schema.ts';

const schema = JSON.parse(
  readFileSync(new URL('../sim/result.schema.json', import.meta.url), 'utf8'),
) as JsonSchema;
const ajv = new Ajv({ strict: false }).compile(schema);
const sound = JSON.stringify(turn4Result);

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const children = Object.entries(value).flatMap(([key, child]) =>
    pathsOf(child, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return path.length === 0 ? children : [path, ...children];
}

function damaged(path: Path, damage: unknown): unknown {
  const copy = JSON.parse(sound) as Record<string | number, unknown>;
  const parent = path
    .slice(0, -1)
    .reduce((at, key) => at[key] as Record<string | number, unknown>, copy);
  const last = path.at(-1)!;
  if (damage === undefined) delete parent[last];
  else parent[last] = damage;
  return JSON.parse(JSON.stringify(copy));
}

describe('schemaComplaint', () => {
  it('accepts a sound result', () => expect(schemaComplaint(turn4Result, schema)).toBeNull());

  it('accepts one with a comparison, and names what is wrong in it', () => {
    expect(schemaComplaint(comparedResult, schema)).toBeNull();
    const { comparison } = comparedResult;
    const broken = { ...comparedResult, comparison: { ...comparison, chart: { column: 'worst' } } };
    expect(schemaComplaint(broken, schema)).toBe('comparison.chart.limit is missing');
  });

  it.each([
    [['seed'], undefined, 'seed is missing'],
    [['seed'], '1', 'seed is not an integer'],
    [['verdict'], 'maybe', 'verdict is "maybe", not one of pass, fail, unknown'],
    [['extra'], 1, 'extra is not a key of this schema'],
    [['arms', 'after', 'latency', 'p99Us'], null, 'arms.after.latency.p99Us is not a number'],
    [['arms', 'after', 'slos', 1, 'limit'], undefined, 'arms.after.slos[1].limit is missing'],
  ])('names the place: %j', (path, damage, complaint) =>
    expect(schemaComplaint(damaged(path, damage), schema)).toBe(complaint),
  );

  it('agrees with ajv on any single damage', () => {
    const damages = [undefined, null, -1, 0.5, 1e9, '', 'x', true, [], [1], {}, { x: 1 }];
    fc.assert(
      fc.property(
        fc.constantFrom(...pathsOf(turn4Result)),
        fc.constantFrom(...damages),
        (path, damage) => {
          const value = damaged(path, damage);
          expect(schemaComplaint(value, schema) === null).toBe(ajv(value));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('refuses a schema it does not understand', () =>
    expect(() => schemaComplaint({}, { patternProperties: {} })).toThrow('patternProperties'));
});
