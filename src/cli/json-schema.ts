/**
 * Checks a value against a JSON Schema, for documents that people hand to the command line. It knows the
 * keywords result.schema.json uses and throws on any other, so that a new keyword is never ignored.
 */

export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

type Check = (value: unknown, limit: unknown, at: Place) => string | null;

interface Place {
  readonly path: string;
  readonly schema: JsonSchema;
  readonly root: JsonSchema;
}

/** The first thing wrong, as `arms.after.latency.p99Us is not a number`; null when all is well. */
export function schemaComplaint(value: unknown, root: JsonSchema): string | null {
  return check(value, { path: '', schema: root, root });
}

function check(value: unknown, place: Place): string | null {
  for (const [keyword, limit] of Object.entries(place.schema)) {
    const checker = checks[keyword];
    if (checker === undefined) throw new Error(`schema keyword ${keyword} is not implemented`);
    const complaint = checker(value, limit, place);
    if (complaint !== null) return complaint;
  }
  return null;
}

const checks: Readonly<Record<string, Check>> = {
  $schema: ignored,
  $id: ignored,
  $defs: ignored,
  title: ignored,
  description: ignored,
  type: (value, limit, at) => {
    const types = Array.isArray(limit) ? limit.map(String) : [String(limit)];
    const article = (type: string) => (/^[aio]/.test(type) ? 'an' : 'a');
    const wanted = types.map((type) => (type === 'null' ? 'null' : `${article(type)} ${type}`));
    return types.some((type) => hasType(value, type))
      ? null
      : `${shown(at)} is not ${wanted.join(' or ')}`;
  },
  const: (value, limit, at) =>
    value === limit ? null : `${shown(at)} is ${brief(value)}, not ${brief(limit)}`,
  enum: (value, limit, at) =>
    (limit as unknown[]).includes(value)
      ? null
      : `${shown(at)} is ${brief(value)}, not one of ${(limit as unknown[]).join(', ')}`,
  minimum: (value, limit, at) =>
    typeof value === 'number' && value < Number(limit) ? `${shown(at)} is below ${limit}` : null,
  exclusiveMinimum: (value, limit, at) =>
    typeof value === 'number' && value <= Number(limit)
      ? `${shown(at)} is not above ${limit}`
      : null,
  maximum: (value, limit, at) =>
    typeof value === 'number' && value > Number(limit) ? `${shown(at)} is above ${limit}` : null,
  maxItems: (value, limit, at) =>
    Array.isArray(value) && value.length > Number(limit)
      ? `${shown(at)} has more than ${limit} items`
      : null,
  required: (value, limit, at) => {
    const missing = isRecord(value)
      ? (limit as string[]).find((key) => !(key in value))
      : undefined;
    return missing === undefined ? null : `${shown({ ...at, path: join(at, missing) })} is missing`;
  },
  properties: (value, limit, at) =>
    isRecord(value)
      ? first(Object.entries(limit as Record<string, JsonSchema>), ([key, schema]) =>
          key in value ? check(value[key], { ...at, path: join(at, key), schema }) : null,
        )
      : null,
  additionalProperties: (value, limit, at) => {
    if (!isRecord(value)) return null;
    const known = Object.keys((at.schema.properties as object | undefined) ?? {});
    const others = Object.keys(value).filter((key) => !known.includes(key));
    if (limit === true) return null;
    return first(others, (key) => {
      const path = join(at, key);
      if (limit === false) return `${path} is not a key of this schema`;
      return check(value[key], { ...at, path, schema: limit as JsonSchema });
    });
  },
  items: (value, limit, at) =>
    Array.isArray(value)
      ? first([...value.entries()], ([index, item]) =>
          check(item, { ...at, path: `${at.path}[${index}]`, schema: limit as JsonSchema }),
        )
      : null,
  anyOf: (value, limit, at) => {
    const complaints = (limit as JsonSchema[]).map((schema) => check(value, { ...at, schema }));
    if (complaints.includes(null)) return null;
    // The longest names the deepest place: the alternative that was nearly right.
    return complaints.reduce((a, b) => ((b ?? '').length > (a ?? '').length ? b : a), '');
  },
  $ref: (value, limit, at) => check(value, { ...at, schema: resolveRef(String(limit), at.root) }),
};

function ignored(): null {
  return null;
}

function hasType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isRecord(value);
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}

function resolveRef(ref: string, root: JsonSchema): JsonSchema {
  const name = /^#\/\$defs\/(\w+)$/.exec(ref)?.[1];
  const found = (root.$defs as Record<string, JsonSchema> | undefined)?.[name ?? ''];
  if (found === undefined) throw new Error(`schema reference ${ref} leads nowhere`);
  return found;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function first<T>(items: readonly T[], complain: (item: T) => string | null): string | null {
  for (const item of items) {
    const complaint = complain(item);
    if (complaint !== null) return complaint;
  }
  return null;
}

function join(at: Place, key: string): string {
  return at.path === '' ? key : `${at.path}.${key}`;
}

function shown(at: Place): string {
  return at.path === '' ? 'the document' : at.path;
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
