import { fileURLToPath } from 'node:url';
import { createGenerator } from 'ts-json-schema-generator';
import { expect, it } from 'vitest';

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** JSON Schema of `Result`, named by the value of its key `schema`. */
function schemaOfResult() {
  const generated = createGenerator({
    path: pathOf('result.ts'),
    tsconfig: pathOf('../../tsconfig.json'),
    type: 'Result',
    topRef: false,
    sortProps: false,
    // `npm run types` checks the types, with the compiler of this project.
    skipTypeCheck: true,
  }).createSchema('Result');
  const { $schema, definitions, ...schema } = generated;
  const version = schema.properties?.schema as { readonly const: string };
  const named = { $schema, $id: version.const, title: 'Result', ...schema, $defs: definitions };
  return `${JSON.stringify(named, null, 2).replaceAll('#/definitions/', '#/$defs/')}\n`;
}

it('result.schema.json is generated from the types of result.ts', async () => {
  await expect(
    schemaOfResult(),
    'after a change of result.ts, `npm run schema` writes the schema again',
  ).toMatchFileSnapshot('result.schema.json');
});
