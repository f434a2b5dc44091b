/**
 * Operation templates compiled once per run: sending one is joining ready pieces. Everything that can be
 * wrong with a template or an account is found here, before the first request.
 */
import type { Account, OperationTemplate } from '../../pure/workload.ts';
import type { Target } from './target.ts';

export interface CompiledTemplate {
  readonly name: string;
  readonly anonymous: boolean;
  readonly capture: boolean;
  /** The whole request as text. `account` is null for an anonymous operation. */
  render(
    target: Destination,
    account: CompiledAccount | null,
    operation: number,
    requestId: string,
  ): string;
}

export interface CompiledAccount {
  readonly id: string;
  readonly vars: Readonly<Record<string, string>>;
  /** `name: value\r\n` lines. */
  readonly headerLines: string;
}

/** The part of a target that a request's text needs. */
export type Destination = Pick<Target, 'line' | 'pathPrefix'>;

type Piece = string | { readonly variable: string };

const PLACEHOLDER = /\{([A-Za-z_]\w*)\}/g;
const OWN_HEADERS = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'x-request-id',
]);

export function compileAccount(account: Account): CompiledAccount {
  let headerLines = '';
  for (const [name, value] of Object.entries(account.headers)) {
    const valid = /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t\x20-\x7e]*$/.test(value);
    if (!valid || OWN_HEADERS.has(name.toLowerCase())) {
      throw new Error(`account ${account.id}: header ${JSON.stringify(name)} cannot be sent`);
    }
    headerLines += `${name}: ${value}\r\n`;
  }
  return { id: account.id, vars: account.vars, headerLines };
}

export function compileTemplate(
  template: OperationTemplate,
  accounts: readonly CompiledAccount[],
): CompiledTemplate {
  const path = pieces(template.path);
  if (!/^\/[\x21-\x7e]*$/.test(template.path)) {
    throw new Error(`operation ${template.name}: ${JSON.stringify(template.path)} is not a path`);
  }
  const body = template.body === undefined ? null : pieces(JSON.stringify(template.body));
  const anonymous = template.anonymous ?? false;
  checkVariables(template.name, [...path, ...(body ?? [])], anonymous ? null : accounts);
  const { method } = template;
  const empty = method === 'GET' || method === 'DELETE' ? '' : 'content-length: 0\r\n';
  return {
    name: template.name,
    anonymous,
    capture: template.capture ?? false,
    render({ pathPrefix, line }, account, operation, requestId) {
      const own = fill(path, account, operation, encodeURIComponent);
      const headers = account?.headerLines ?? '';
      const head = `${method} ${pathPrefix}${own}${line}${headers}x-request-id: ${requestId}\r\n`;
      if (body === null) return `${head}${empty}\r\n`;
      const text = fill(body, account, operation, escapeJson);
      const length = Buffer.byteLength(text);
      return `${head}content-type: application/json\r\ncontent-length: ${length}\r\n\r\n${text}`;
    },
  };
}

function pieces(text: string): Piece[] {
  // A split by a pattern with one group alternates text and names.
  return text
    .split(PLACEHOLDER)
    .map((part, index) => (index % 2 === 0 ? part : { variable: part }))
    .filter((piece) => piece !== '');
}

function fill(
  parts: readonly Piece[],
  account: CompiledAccount | null,
  operation: number,
  encode: (value: string) => string,
): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    else if (part.variable === 'op') text += operation;
    else text += encode(account?.vars[part.variable] ?? '');
  }
  return text;
}

function escapeJson(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

/** `accounts` is null for an anonymous operation, which has no variables but `{op}`. */
function checkVariables(
  operation: string,
  parts: readonly Piece[],
  accounts: readonly CompiledAccount[] | null,
): void {
  for (const part of parts) {
    if (typeof part === 'string' || part.variable === 'op') continue;
    const { variable } = part;
    if (accounts === null) {
      throw new Error(`operation ${operation}: anonymous, so {${variable}} has no value`);
    }
    const without = accounts.find((account) => !Object.hasOwn(account.vars, variable));
    if (without !== undefined) {
      throw new Error(`operation ${operation}: account ${without.id} has no {${variable}}`);
    }
  }
}
