/**
 * Operation templates, compiled once per run: rendering a request is string concatenation. Errors in a template or an
 * account are found here, before the first request.
 */
import type {
  Account,
  CredentialKind,
  OperationTemplate,
  RetryPolicy,
} from '../../../pure/load/workload.ts';
import { canSend, compileHeaders, isHeaderName, isHeaderValue } from './header-template.ts';
import { type Actor, fill, pieces, variablesOf } from './placeholders.ts';
import type { Target } from './target.ts';

export interface CompiledTemplate {
  readonly name: string;
  /** Sent without the actor's headers. */
  readonly anonymous: boolean;
  /** False for an anonymous operation that names no variable and issues no credential. */
  readonly needsActor: boolean;
  readonly actsAs: CredentialKind;
  readonly revokesCredential: boolean | 'others' | 'all';
  readonly issuesCredential: OperationTemplate['issuesCredential'] | undefined;
  readonly retry: RetryPolicy | undefined;
  readonly timeoutMs: number | undefined;
  readonly capture: boolean;
  readonly group: string | undefined;
  /** Names in lower case of the response headers to keep; null for none. */
  readonly captureHeaders: readonly string[] | null;
  /** The whole request as text. `operation` is what `{op}` stands for. */
  render(target: Destination, actor: Actor | null, operation: number, requestId: string): string;
}

export interface CompiledAccount extends Actor {
  /** Without those that carry a credential; an issued credential has its own. */
  readonly ownHeaderLines: string;
  readonly group: string | undefined;
  /** Unix milliseconds; null: only when it is revoked. */
  readonly endsAtMs: number | null;
  readonly dormant: boolean;
}

/** The part of a target that a request's text needs. */
export type Destination = Pick<Target, 'requestLineEnd' | 'pathPrefix'>;

const CREDENTIAL_HEADERS = new Set(['authorization', 'cookie']);

export function compileAccount(account: Account, index: number): CompiledAccount {
  const { id, subject, group, endsAtMs = null, dormant = false } = account;
  let headerLines = '';
  let ownHeaderLines = '';
  for (const [name, value] of Object.entries(account.headers)) {
    if (!canSend(name) || !isHeaderValue(value)) {
      throw new Error(`account ${id}: header ${JSON.stringify(name)} cannot be sent`);
    }
    const line = `${name}: ${value}\r\n`;
    headerLines += line;
    if (!CREDENTIAL_HEADERS.has(name.toLowerCase())) ownHeaderLines += line;
  }
  const vars = subject === undefined ? account.vars : { ...account.vars, subject };
  return {
    account: index,
    id,
    subject,
    vars,
    headerLines,
    ownHeaderLines,
    group,
    endsAtMs,
    dormant,
  };
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
  const {
    method,
    anonymous = false,
    revokesCredential = false,
    issuesCredential,
    group,
  } = template;
  if (anonymous && (revokesCredential !== false || template.as !== undefined)) {
    throw new Error(`operation ${template.name}: anonymous, so it acts as no credential`);
  }
  const actors = actingAccounts(template, accounts);
  const headers = compileHeaders(template, actors);
  const names = [...variablesOf([...path, ...(body ?? [])]), ...headers.variables];
  checkVariables(template.name, names, actors);
  const needsActor = !anonymous || names.length > 0 || issuesCredential !== undefined;
  if (needsActor && accounts.length === 0) {
    throw new Error(`operation ${template.name}: there are no accounts to act as`);
  }
  const empty = method === 'GET' || method === 'DELETE' ? '' : 'content-length: 0\r\n';
  const type = headers.names.includes('content-type') ? '' : 'content-type: application/json\r\n';
  return {
    name: template.name,
    anonymous,
    needsActor,
    actsAs: template.as ?? 'live',
    revokesCredential,
    issuesCredential,
    retry: template.retry,
    timeoutMs: template.timeoutMs,
    capture: template.capture ?? false,
    group,
    captureHeaders: capturedHeaders(template),
    render({ pathPrefix, requestLineEnd }, actor, operation, requestId) {
      const filledPath = fill(path, actor, operation, encodeURIComponent);
      const lines = headers.render(anonymous ? null : actor, actor, operation);
      const head = `${method} ${pathPrefix}${filledPath}${requestLineEnd}${lines}x-request-id: ${requestId}\r\n`;
      if (body === null) return `${head}${empty}\r\n`;
      const text = fill(body, actor, operation, escapeJson);
      return `${head}${type}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
    },
  };
}

/** The accounts that may act; throws for a group without accounts. */
function actingAccounts(
  { name, group }: OperationTemplate,
  accounts: readonly CompiledAccount[],
): readonly CompiledAccount[] {
  if (group === undefined) return accounts;
  const actors = accounts.filter((account) => account.group === group);
  if (actors.length > 0) return actors;
  const known = [...new Set(accounts.flatMap((account) => account.group ?? []))];
  const knownText = known.length === 0 ? 'no account has a group' : `there are ${known.join(', ')}`;
  throw new Error(`operation ${name}: no account is of the group ${group}; ${knownText}`);
}

/** A retry policy that obeys Retry-After needs that header. */
function capturedHeaders({ name, captureHeaders = [], retry }: OperationTemplate) {
  const bad = captureHeaders.find((header) => !isHeaderName(header));
  if (bad !== undefined) {
    throw new Error(`operation ${name}: ${JSON.stringify(bad)} is not the name of a header`);
  }
  const obeyed = retry?.obeyRetryAfter ? ['retry-after'] : [];
  const names = new Set([...captureHeaders.map((header) => header.toLowerCase()), ...obeyed]);
  return names.size === 0 ? null : [...names];
}

function escapeJson(value: string): string {
  return JSON.stringify(value).slice(1, -1);
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
