/** Checks documents that people hand to the command line against a JSON Schema, and says what is wrong in one sentence. */
import { Ajv, type AnySchemaObject, type ErrorObject } from 'ajv';

/** Keys and indices from the document's root. */
type Path = readonly string[];

/**
 * Returns a check that gives the first thing wrong, as `arms.after.latency.p99Us is not a number`, or null when all
 * is well. Throws on a schema with an unknown keyword, so that none is ignored.
 */
export function compileSchema(schema: AnySchemaObject): (document: unknown) => string | null {
  // A schema is compiled for one document: optimizing the code takes longer than it saves (160 ms, not 330).
  const code = { optimize: false };
  const ajv = new Ajv({ strict: true, allowUnionTypes: true, verbose: true, code });
  const validate = ajv.compile(schema);
  return (document) => (validate(document) ? null : complaint(validate.errors ?? [], document));
}

/** Of `anyOf` ajv reports every alternative: the deepest place is in the one that was nearly right. */
function complaint(errors: readonly ErrorObject[], document: unknown): string {
  const found = errors
    .filter(({ keyword }) => keyword !== 'anyOf')
    .map((error) => ({ error, path: pathOf(error) }));
  const depth = Math.max(...found.map(({ path }) => path.length));
  const deepest = found.filter(({ path }) => path.length === depth);
  const nearest = deepest.find(({ error }) => error.keyword !== 'type') ?? deepest[0]!;
  const types = deepest.flatMap(({ error }) => (error.keyword === 'type' ? error.params.type : []));
  return `${shown(nearest.path, document)} ${problem(nearest.error, types)}`;
}

function pathOf({ instancePath, params }: ErrorObject): Path {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const key = params.missingProperty ?? params.additionalProperty;
  return key === undefined ? path : [...path, key];
}

function problem(
  { keyword, params, data, message }: ErrorObject,
  types: readonly string[],
): string {
  switch (keyword) {
    case 'type':
      return `is not ${types.map(withArticle).join(' or ')}`;
    case 'required':
      return 'is missing';
    case 'additionalProperties':
      return 'is not a key of this schema';
    case 'const':
      return `is ${brief(data)}, not ${brief(params.allowedValue)}`;
    case 'enum':
      return `is ${brief(data)}, not one of ${params.allowedValues.join(', ')}`;
    case 'minimum':
      return `is below ${params.limit}`;
    case 'exclusiveMinimum':
      return `is not above ${params.limit}`;
    case 'maximum':
      return `is above ${params.limit}`;
    case 'maxItems':
      return `has more than ${params.limit} items`;
    default:
      return message ?? `breaks ${keyword}`;
  }
}

function shown(path: Path, document: unknown): string {
  let text = '';
  let at = document;
  for (const key of path) {
    if (Array.isArray(at)) text += `[${key}]`;
    else text += text === '' ? key : `.${key}`;
    at = (at as Readonly<Record<string, unknown>> | null | undefined)?.[key];
  }
  return text === '' ? 'the document' : text;
}

function withArticle(type: string): string {
  if (type === 'null') return type;
  return `${/^[aio]/.test(type) ? 'an' : 'a'} ${type}`;
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
