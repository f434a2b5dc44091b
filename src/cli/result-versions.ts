/**
 * The versions of result.json that can be read. To raise the version: copy result.schema.json to
 * result.v<N>.schema.json, name that copy here with a conversion to the new `Result`, add the new version as the last
 * line, then change result.ts and run `npm run schema`.
 */
import type { Environment, Result } from '../sim/result.ts';

interface ResultVersion {
  /** Its JSON Schema, beside src/sim/result.ts. */
  readonly schemaFile: string;
  /** `document` has passed that schema. */
  readonly toResult: (document: unknown) => Result;
}

/** By the document's key `schema`, newest last. */
export const RESULT_VERSIONS: ReadonlyMap<unknown, ResultVersion> = new Map([
  ['platform-sim/result@1', { schemaFile: 'result.v1.schema.json', toResult: fromVersion1 }],
  [
    'platform-sim/result@2',
    { schemaFile: 'result.schema.json', toResult: (document: unknown) => document as Result },
  ],
]);

/** Version 1 knew one PostgreSQL and one Redis; `redis` was `redis 7.0.15` or `valkey 8.1.1`. */
interface Version1 extends Omit<Result, 'schema' | 'environment'> {
  readonly environment: Omit<Environment, 'versions'> & {
    readonly postgres: string;
    readonly redis: string;
  };
}

function fromVersion1(document: unknown): Result {
  const { environment, ...rest } = document as Version1;
  const { postgres, redis, ...kept } = environment;
  const versions = { postgres: `PostgreSQL ${postgres}`, redis: capitalised(redis) };
  return { ...rest, schema: 'platform-sim/result@2', environment: { ...kept, versions } };
}

const capitalised = (text: string): string =>
  text.replace(/^[a-z]/, (first) => first.toUpperCase());
