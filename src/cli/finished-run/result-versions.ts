/**
 * The versions of result.json that can be read. To add one: copy result.schema.json to result.v<N>.schema.json, name
 * that copy here with a conversion to the new `Result`, append the new version, change result.ts, run `npm run schema`.
 */
import { capitalize } from '../../report/format.ts';
import type { ArmName, ArmResult, Environment, Result } from '../../sim/result.ts';

/** The version that this program writes. */
export const RESULT_SCHEMA = 'platform-sim/result@3' satisfies Result['schema'];

interface ResultVersion {
  /** Its JSON Schema, beside src/sim/result.ts. */
  readonly schemaFile: string;
  /** `document` is valid under that schema. */
  readonly toResult: (document: unknown) => Result;
}

/** Keyed by the document's `schema`, newest last. */
export const resultVersions: ReadonlyMap<unknown, ResultVersion> = new Map([
  ['platform-sim/result@1', { schemaFile: 'result.v1.schema.json', toResult: fromVersion1 }],
  ['platform-sim/result@2', { schemaFile: 'result.v2.schema.json', toResult: fromVersion2 }],
  [
    RESULT_SCHEMA,
    { schemaFile: 'result.schema.json', toResult: (document: unknown) => document as Result },
  ],
]);

/** Version 1 had one PostgreSQL and one Redis; `redis` was `redis 7.0.15` or `valkey 8.1.1`. */
interface Version1 extends Omit<Version2, 'schema' | 'environment'> {
  readonly environment: Omit<Environment, 'versions'> & {
    readonly postgres: string;
    readonly redis: string;
  };
}

function fromVersion1(document: unknown): Result {
  const { environment, ...rest } = document as Version1;
  const { postgres, redis, ...unchanged } = environment;
  const versions = { postgres: `PostgreSQL ${postgres}`, redis: capitalize(redis) };
  const environmentOf2 = { ...unchanged, versions };
  return fromVersion2({ ...rest, schema: 'platform-sim/result@2', environment: environmentOf2 });
}

/** Version 2 had neither the generator's own counts nor those of the history's records. */
interface Version2 extends Omit<Result, 'schema' | 'arms'> {
  readonly schema: 'platform-sim/result@2';
  readonly arms: Readonly<Partial<Record<ArmName, Omit<ArmResult, 'sender' | 'records'>>>>;
}

function fromVersion2(document: unknown): Result {
  const { arms, ...rest } = document as Version2;
  const named = Object.entries(arms).map(
    ([name, arm]) => [name, { ...arm, sender: null, records: null }] as const,
  );
  return { ...rest, schema: RESULT_SCHEMA, arms: Object.fromEntries(named) };
}
