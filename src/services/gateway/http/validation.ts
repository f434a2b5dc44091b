/**
 * Validates path, query and body against a route's schemas. The rules, the same for every route:
 *   - Path and query are text, so an integer in the query is converted, from plain decimal digits and nothing else. A
 *     body has types of its own and is never converted.
 *   - A query parameter given twice is refused, and so is every parameter or property that the schema does not have.
 *   - An id has one spelling: a UUID with hyphens in lower case. Another would pass PostgreSQL and be missed in the log.
 *   - U+0000 and half of a surrogate pair are refused everywhere: PostgreSQL cannot store them.
 * A refusal names the field.
 */
import { Ajv } from 'ajv';
import type { FastifySchemaCompiler } from 'fastify';
import type { FastifySchemaValidationError } from 'fastify/types/schema.js';
import type { JsonSchema } from '../../route.ts';

const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** As many digits as a number holds exactly. */
const INTEGER_PATTERN = /^(?:0|-?[1-9]\d{0,14})$/;
const TOO_MANY_TIMES = 'is given more than once';
const UNSTORABLE_TEXT = 'must not contain U+0000 or half of a surrogate pair';

export function createValidatorCompiler(): FastifySchemaCompiler<JsonSchema> {
  const ajv = new Ajv({ coerceTypes: false, useDefaults: true, removeAdditional: false });
  ajv.addFormat('uuid', UUID_PATTERN);
  return ({ schema, httpPart }) => {
    const matchesSchema = ajv.compile(schema);
    const readQuery = httpPart === 'querystring' ? createQueryReader(schema) : null;
    const errorsOf = (data: unknown): FastifySchemaValidationError[] => {
      const repeated = readQuery?.(data as Record<string, unknown>) ?? [];
      if (repeated.length > 0) return repeated;
      return matchesSchema(data) ? findUnstorableText(data) : (matchesSchema.errors ?? []);
    };
    const validate: ReturnType<FastifySchemaCompiler<JsonSchema>> = (data: unknown) => {
      validate.errors = errorsOf(data);
      return validate.errors.length === 0;
    };
    return validate;
  };
}

/** Converts integers in place; returns the parameters that are given twice. */
function createQueryReader({ properties }: JsonSchema) {
  const names = Object.entries((properties ?? {}) as Record<string, JsonSchema>);
  const unknown = names.filter(([, { type }]) => type !== 'integer' && type !== 'string');
  if (unknown.length > 0) throw new Error(`query parameters are text or integers: ${unknown}`);
  const integers = names.filter(([, { type }]) => type === 'integer').map(([name]) => name);
  return (query: Record<string, unknown>): FastifySchemaValidationError[] => {
    const repeated = Object.keys(query).filter((name) => Array.isArray(query[name]));
    for (const name of integers) {
      const text = query[name];
      if (typeof text === 'string' && INTEGER_PATTERN.test(text)) query[name] = Number(text);
    }
    return repeated.map((name) => invalidField(pathTo(name), TOO_MANY_TIMES));
  };
}

/** Without recursion: the depth of a body is the client's. */
function findUnstorableText(data: unknown): FastifySchemaValidationError[] {
  const pending: [path: string, value: unknown][] = [['', data]];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    const [path, value] = entry;
    if (typeof value === 'string') {
      if (/\0|\p{Surrogate}/u.test(value)) return [invalidField(path, UNSTORABLE_TEXT)];
    } else if (typeof value === 'object' && value !== null)
      for (const [name, member] of Object.entries(value))
        pending.push([path + pathTo(name), member]);
  }
  return [];
}

/** An error in Ajv's shape, for the rules that a schema does not express. */
const invalidField = (instancePath: string, message: string): FastifySchemaValidationError => ({
  keyword: 'platform',
  instancePath,
  schemaPath: '',
  params: {},
  message,
});

/** A body where none is expected. */
export const unexpectedBody = (name: string | null): Error =>
  Object.assign(new Error('invalid request'), {
    code: 'FST_ERR_VALIDATION',
    statusCode: 400,
    validation: [
      name === null ? invalidField('', 'must be empty') : invalidField(pathTo(name), NOT_EXPECTED),
    ],
    validationContext: 'body',
  });

const NOT_EXPECTED = 'is not expected';
const MAX_SHOWN_NAME = 100;

/** A step of a JSON pointer (RFC 6901). The name may be the client's. */
const pathTo = (name: string): string =>
  `/${name.slice(0, MAX_SHOWN_NAME).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** Where the field is, also when it is missing or one too many, and what is wrong with it. */
export function describeInvalidField(
  context: string,
  { instancePath, params, message = 'is not valid' }: FastifySchemaValidationError,
): { pointer: string; detail: string } {
  const pointer = `/${context}${instancePath}`;
  const { missingProperty, additionalProperty, allowedValues } = params;
  if (typeof missingProperty === 'string')
    return { pointer: pointer + pathTo(missingProperty), detail: 'is required' };
  if (typeof additionalProperty === 'string')
    return { pointer: pointer + pathTo(additionalProperty), detail: NOT_EXPECTED };
  if (Array.isArray(allowedValues))
    return { pointer, detail: `must be one of ${allowedValues.join(', ')}` };
  return { pointer, detail: message };
}
