import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparedResult } from '../../report/fixtures/limiter-comparison.ts';
import { turn4Result } from '../../report/fixtures/turn4-result.ts';
import { compileSchema } from './validate-schema.ts';

const schema = JSON.parse(
  readFileSync(new URL('../../sim/result.schema.json', import.meta.url), 'utf8'),
);
const describeFirstError = compileSchema(schema);
const isValid = new Ajv({ strict: false, allErrors: true }).compile(schema);
const validJson = JSON.stringify(turn4Result);

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const children = Object.entries(value).flatMap(([key, child]) =>
    pathsOf(child, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return path.length === 0 ? children : [path, ...children];
}

const formatPath = (path: Path) =>
  path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .slice(1);

function damaged(path: Path, damage: unknown): unknown {
  const copy = JSON.parse(validJson) as Record<string | number, unknown>;
  const parent = path
    .slice(0, -1)
    .reduce((at, key) => at[key] as Record<string | number, unknown>, copy);
  const last = path.at(-1)!;
  if (damage === undefined) delete parent[last];
  else parent[last] = damage;
  return JSON.parse(JSON.stringify(copy));
}

describe('compileSchema', () => {
  it('accepts a valid result', () => expect(describeFirstError(turn4Result)).toBeNull());

  it('accepts a result with a comparison, and describes an error in the comparison', () => {
    expect(describeFirstError(comparedResult)).toBeNull();
    const { comparison } = comparedResult;
    const broken = { ...comparedResult, comparison: { ...comparison, chart: { column: 'worst' } } };
    expect(describeFirstError(broken)).toBe('comparison.chart.limit is missing');
  });

  it.each([
    [['seed'], undefined, 'seed is missing'],
    [['seed'], '1', 'seed is not an integer'],
    [['verdict'], 'maybe', 'verdict is "maybe", not one of pass, fail, unknown'],
    [['verdict'], 1, 'verdict is not a string'],
    [['schema'], 'x@9', 'schema is "x@9", not "platform-sim/result@3"'],
    [['extra'], 1, 'extra is not a key of this schema'],
    [
      ['arms', 'after', 'operations', 'a.b/c~d'],
      {},
      'arms.after.operations.a.b/c~d.meanUs is missing',
    ],
    [['arms', 'after', 'latency', 'p99Us'], null, 'arms.after.latency.p99Us is not a number'],
    [['arms', 'after', 'slos', 1, 'limit'], undefined, 'arms.after.slos[1].limit is missing'],
    [['arms', 'after', 'heatMap'], 5, 'arms.after.heatMap is not an object or null'],
    [['arms', 'after', 'heatMap', 'columns'], 0.5, 'arms.after.heatMap.columns is not an integer'],
    [
      ['arms', 'after', 'capacity', 'timesBefore'],
      'x',
      'arms.after.capacity.timesBefore is not a number or null',
    ],
    [
      ['arms', 'after', 'capacity', 'timesBefore'],
      -1,
      'arms.after.capacity.timesBefore is below 0',
    ],
    [['arms', 'after', 'timeline', 'bucketUs'], 0, 'arms.after.timeline.bucketUs is not above 0'],
    [['exitCode'], 256, 'exitCode is above 255'],
    [
      ['arms', 'after', 'invariants', 0, 'witness'],
      Array(11).fill({}),
      'arms.after.invariants[0].witness has more than 10 items',
    ],
  ])('names the path: %j', (path, damage, error) =>
    expect(describeFirstError(damaged(path, damage))).toBe(error),
  );

  it('reports any single damage that the schema forbids, with its path', () => {
    const damages = [undefined, null, -1, 0.5, 1e9, '', 'x', true, [], [1], {}, { x: 1 }];
    fc.assert(
      fc.property(
        fc.constantFrom(...pathsOf(turn4Result)),
        fc.constantFrom(...damages),
        (path, damage) => {
          const value = damaged(path, damage);
          const error = describeFirstError(value);
          expect(error === null).toBe(isValid(value));
          if (error !== null) expect(error.startsWith(formatPath(path))).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('names the whole document', () =>
    expect(describeFirstError(null)).toBe('the document is not an object'));

  it('refuses a schema it does not understand', () =>
    expect(() => compileSchema({ patternProperty: {} })).toThrow('patternProperty'));
});
