/** The fields in which two designs differ, by path. */

export interface FieldChange {
  readonly field: string;
  /** Null if the design has no such field. */
  readonly before: string | null;
  readonly after: string | null;
}

export interface DesignDiff {
  readonly changes: readonly FieldChange[];
  /** How many fields are equal. */
  readonly same: number;
}

export function diffDesigns(before: unknown, after: unknown): DesignDiff {
  const left = flatten(before);
  const right = flatten(after);
  const fields = [...new Set([...left.keys(), ...right.keys()])].sort();
  const changes = fields
    .map((field) => ({
      field,
      before: left.get(field) ?? null,
      after: right.get(field) ?? null,
    }))
    .filter((change) => change.before !== change.after);
  return { changes, same: fields.length - changes.length };
}

function flatten(value: unknown, path = ''): Map<string, string> {
  if (typeof value !== 'object' || value === null) return new Map([[path, formatValue(value)]]);
  const entries = Object.entries(value).flatMap(([key, child]) => [
    ...flatten(child, path === '' ? key : `${path}.${key}`),
  ]);
  return new Map(entries);
}

function formatValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
