/** What every verb of `platform audit` is called with, and the JSON it prints. */
import type { AuditAdmin } from '../services/gateway/audit/audit-admin.ts';
import type { Io } from './io.ts';
import type { AuditFlags } from './program-audit.ts';

export interface AuditCall {
  readonly admin: AuditAdmin;
  /** The verb's positional argument: an event id, month, file or user id; empty for verbs without one. */
  readonly argument: string;
  readonly flags: AuditFlags;
  readonly io: Io;
}

/** JSON has no bigint: positions in the log are printed as strings. */
export function formatJson(document: unknown): string {
  const bigintToString = (_key: string, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value;
  return `${JSON.stringify(document, bigintToString, 2)}\n`;
}
