/**
 * The versions of result.json that can be read. To raise the version: copy result.schema.json to
 * result.v<N>.schema.json, name that copy here with a conversion to the new `Result`, add the new version as the last
 * line, then change result.ts and run `npm run schema`.
 */
import type { Result } from '../sim/result.ts';

interface ResultVersion {
  /** Its JSON Schema, beside src/sim/result.ts. */
  readonly schemaFile: string;
  /** `document` has passed that schema. */
  readonly toResult: (document: unknown) => Result;
}

/** By the document's key `schema`, newest last. */
export const RESULT_VERSIONS: ReadonlyMap<unknown, ResultVersion> = new Map([
  [
    'platform-sim/result@1',
    { schemaFile: 'result.schema.json', toResult: (document: unknown) => document as Result },
  ],
]);
