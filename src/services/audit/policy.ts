/** Pure decisions of the audit log: outcome of a status, text that may be stored, cursors, and errors that allow a retry. */
import type { StateChange } from '../ports.ts';
import type { ActivityItem, AuditOutcome } from './contract.ts';

export function outcomeOf(status: number): AuditOutcome {
  if (status < 400) return 'success';
  return status === 401 || status === 403 || status === 404 || status === 429
    ? 'denied'
    : 'failure';
}

/** Null for what no process wrote: a row that was tampered with must not hide the page it is on. */
export function parseChange(text: string): StateChange | null {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === 'object' ? (found as StateChange | null) : null;
  } catch {
    return null;
  }
}

/** Truncates a client's text and removes U+0000, which PostgreSQL text cannot store. */
export function sanitizeText(text: string | null | undefined, maxLength: number): string | null {
  if (text === null || text === undefined) return null;
  return text.slice(0, maxLength).replaceAll('\u0000', '');
}

export interface CursorPosition {
  readonly occurredAt: string;
  readonly id: string;
}

/** `scope` binds it to a search request: 16 hexadecimal digits, or empty. */
export const encodeCursor = ({ occurredAt, id }: CursorPosition, scope = ''): string =>
  Buffer.from(`${occurredAt}/${id}${scope && `/${scope}`}`).toString('base64url');

/** Null unless `encodeCursor` wrote it for this scope. */
export function decodeCursor(cursor: string, scope = ''): CursorPosition | null {
  if (!/^[A-Za-z0-9_-]{1,100}$/.test(cursor)) return null;
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const shape = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z)\/(\d{1,19})(?:\/[0-9a-f]{16})?$/;
  const match = shape.exec(text);
  if (!match || encodeCursor({ occurredAt: match[1]!, id: match[2]! }, scope) !== cursor)
    return null;
  const occurredAt = match[1]!;
  const atMs = Date.parse(`${occurredAt.slice(0, 23)}Z`);
  // Date.parse accepts 30 February as 2 March; PostgreSQL rejects it. Ids are bigint.
  const isRealDate =
    !Number.isNaN(atMs) && new Date(atMs).toISOString().startsWith(occurredAt.slice(0, 23));
  return isRealDate && BigInt(match[2]!) < 2n ** 63n ? { occurredAt, id: match[2]! } : null;
}

/** PostgreSQL's `2026-11-21 03:23:15.1234+00` (session in UTC) as `2026-11-21T03:23:15.123400Z`. */
export function isoFromPostgres(text: string): string {
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?\+00$/.exec(text);
  if (!match) throw new Error(`not a timestamp of a UTC session: ${text}`);
  return `${match[1]}T${match[2]}.${(match[3] ?? '').padEnd(6, '0')}Z`;
}

/** Newest first: by time, then by id as a number. */
export function compareNewestFirst(a: CursorPosition, b: CursorPosition): number {
  if (a.occurredAt !== b.occurredAt) return a.occurredAt < b.occurredAt ? 1 : -1;
  if (a.id.length !== b.id.length) return b.id.length - a.id.length;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}

/** The first `limit` items and the cursor of the next page; `items` are sorted and include at least one more if there is one. */
export function pageOf(items: readonly ActivityItem[], limit: number) {
  const page = items.slice(0, limit);
  return { items: page, next: items.length > limit ? encodeCursor(page.at(-1)!) : null };
}

/** The write may have been committed or not, or the server is starting: the same event may be sent again. */
export function isConnectionLoss(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'database-connection-lost') return true;
  if (/^(08|57P0)/.test(code ?? '')) return true;
  if (/^(ECONN|EPIPE|ETIMEDOUT)/.test(code ?? '')) return true;
  return /connection terminated|connection ended|not queryable/i.test(message ?? '');
}

/** PostgreSQL refused the data of the statement; another event may still succeed. */
export const isBadData = (error: unknown): boolean =>
  /^2[23]/.test((error as { code?: string }).code ?? '');
