/**
 * The header lines of an operation: those of its actor, overridden by the operation's own of the same name. Values that
 * could end a line early are rejected before the first request, or percent-encoded if they come from an answer.
 */
import type { OperationTemplate } from '../../../pure/load/workload.ts';
import type { Actor } from './placeholders.ts';
import { fill, pieces, variablesOf } from './placeholders.ts';

export interface CompiledHeaders {
  /** In lower case. */
  readonly names: readonly string[];
  readonly variables: readonly string[];
  /** Lines of `sentAs`, if any, without those overridden; then the operation's own, filled from `actor`. */
  render(sentAs: Actor | null, actor: Actor | null, operation: number): string;
}

/** Set by the generator for every request. */
const RESERVED_HEADERS = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'x-request-id',
]);

export function isHeaderName(text: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(text);
}

export function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e]*$/.test(text);
}

/** True for a header that an account or an operation may set. */
export function canSend(name: string): boolean {
  return isHeaderName(name) && !RESERVED_HEADERS.has(name.toLowerCase());
}

export function compileHeaders(
  { name: operationName, headers = {} }: OperationTemplate,
  accounts: readonly Actor[],
): CompiledHeaders {
  const own = Object.entries(headers).map(([name, value]) => ({ name, value: pieces(value) }));
  if (own.length === 0) {
    return { names: [], variables: [], render: (sentAs) => sentAs?.headerLines ?? '' };
  }
  const names = own.map(({ name }) => name.toLowerCase());
  const variables = [...new Set(own.flatMap(({ value }) => variablesOf(value)))];
  for (const [index, { name, value }] of own.entries()) {
    const bad = value.some((piece) => typeof piece === 'string' && !isHeaderValue(piece));
    if (bad || !canSend(name) || names.indexOf(names[index]!) !== index) {
      throw new Error(`operation ${operationName}: header ${JSON.stringify(name)} cannot be sent`);
    }
  }
  for (const { id, vars } of accounts) {
    const bad = variables.find((variable) => !isHeaderValue(vars[variable] ?? ''));
    if (bad === undefined) continue;
    throw new Error(`operation ${operationName}: {${bad}} of ${id} cannot be sent in a header`);
  }
  const kept = new WeakMap<Actor, string>();
  const linesOf = (actor: Actor): string => {
    const known = kept.get(actor);
    if (known !== undefined) return known;
    const lines = withoutHeaders(actor.headerLines, names);
    kept.set(actor, lines);
    return lines;
  };
  return {
    names,
    variables,
    render(sentAs, actor, operation) {
      let lines = sentAs === null ? '' : linesOf(sentAs);
      for (const { name, value } of own) {
        lines += `${name}: ${fill(value, actor, operation, encodeHeaderValue)}\r\n`;
      }
      return lines;
    },
  };
}

/** A subject that came in an answer may hold any character. */
function encodeHeaderValue(value: string): string {
  return isHeaderValue(value) ? value : encodeURIComponent(value);
}

function withoutHeaders(lines: string, names: readonly string[]): string {
  const kept = lines.split('\r\n').filter((line) => {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    return line !== '' && !names.includes(name);
  });
  return kept.map((line) => `${line}\r\n`).join('');
}
