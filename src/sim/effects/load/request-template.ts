/**
 * Operation templates compiled once per run: sending one is joining ready pieces. Everything that can be
 * wrong with a template or an account is found here, before the first request.
 */
import type { Account, OperationTemplate, RetryPolicy } from '../../pure/workload.ts';
import type { Target } from './target.ts';

export interface CompiledTemplate {
  readonly name: string;
  /** Sent without the actor's headers. */
  readonly anonymous: boolean;
  /** Needs an actor: always, unless it is anonymous, names no variable and begins nothing. */
  readonly acts: boolean;
  readonly as: 'live' | 'ended' | 'any';
  readonly ends: boolean;
  readonly begins: OperationTemplate['begins'] | undefined;
  readonly retry: RetryPolicy | undefined;
  readonly capture: boolean;
  /** The whole request as text. `operation` is what `{op}` stands for. */
  render(target: Destination, actor: Actor | null, operation: number, requestId: string): string;
}

/** Whom an operation is sent as. */
export interface Actor {
  /** Index of the account. */
  readonly account: number;
  readonly id: string;
  readonly subject: string | undefined;
  readonly vars: Readonly<Record<string, string>>;
  /** `name: value\r\n` lines. */
  readonly headerLines: string;
}

export interface CompiledAccount extends Actor {
  /** Without those that carry a credential; a new one brings its own. */
  readonly ownHeaderLines: string;
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

const CREDENTIAL_HEADERS = new Set(['authorization', 'cookie']);

export function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e]*$/.test(text);
}

export function compileAccount(account: Account, index: number): CompiledAccount {
  const { id, subject } = account;
  let headerLines = '';
  let ownHeaderLines = '';
  for (const [name, value] of Object.entries(account.headers)) {
    const valid = /^[\w!#$%&'*+.^`|~-]+$/.test(name) && isHeaderValue(value);
    if (!valid || OWN_HEADERS.has(name.toLowerCase())) {
      throw new Error(`account ${id}: header ${JSON.stringify(name)} cannot be sent`);
    }
    const line = `${name}: ${value}\r\n`;
    headerLines += line;
    if (!CREDENTIAL_HEADERS.has(name.toLowerCase())) ownHeaderLines += line;
  }
  const vars = subject === undefined ? account.vars : { ...account.vars, subject };
  return { account: index, id, subject, vars, headerLines, ownHeaderLines };
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
  const { method, anonymous = false, ends = false, begins } = template;
  if (anonymous && (ends || template.as !== undefined)) {
    throw new Error(`operation ${template.name}: anonymous, so it acts as no credential`);
  }
  const names = variablesOf([...path, ...(body ?? [])]);
  checkVariables(template.name, names, accounts);
  const acts = !anonymous || names.length > 0 || begins !== undefined;
  if (acts && accounts.length === 0) {
    throw new Error(`operation ${template.name}: there are no accounts to act as`);
  }
  const empty = method === 'GET' || method === 'DELETE' ? '' : 'content-length: 0\r\n';
  return {
    name: template.name,
    anonymous,
    acts,
    as: template.as ?? 'live',
    ends,
    begins,
    retry: template.retry,
    capture: template.capture ?? false,
    render({ pathPrefix, line }, actor, operation, requestId) {
      const own = fill(path, actor, operation, encodeURIComponent);
      const headers = anonymous ? '' : (actor?.headerLines ?? '');
      const head = `${method} ${pathPrefix}${own}${line}${headers}x-request-id: ${requestId}\r\n`;
      if (body === null) return `${head}${empty}\r\n`;
      const text = fill(body, actor, operation, escapeJson);
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
  actor: Actor | null,
  operation: number,
  encode: (value: string) => string,
): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    else if (part.variable === 'op') text += operation;
    else text += encode(actor?.vars[part.variable] ?? '');
  }
  return text;
}

function escapeJson(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

function variablesOf(parts: readonly Piece[]): string[] {
  return parts.flatMap((part) =>
    typeof part === 'string' || part.variable === 'op' ? [] : [part.variable],
  );
}

function checkVariables(
  operation: string,
  variables: readonly string[],
  accounts: readonly CompiledAccount[],
): void {
  for (const variable of variables) {
    const without = accounts.find((account) => !Object.hasOwn(account.vars, variable));
    if (without !== undefined) {
      throw new Error(`operation ${operation}: account ${without.id} has no {${variable}}`);
    }
  }
}
