/** Arguments of every verb of `platform audit`, and the JSON it prints. */
import type { AuditAdmin } from '../services/gateway/audit/audit-admin.ts';
import type { Io } from './io.ts';
import type { AuditFlags } from './program-audit.ts';

export interface AuditCall {
  readonly admin: AuditAdmin;
  readonly argument: string;
  readonly flags: AuditFlags;
  readonly io: Io;
}

/** Positions in the log are bigint, which JSON has not: they become strings. */
export function formatJson(document: unknown): string {
  const plain = (_key: string, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value;
  return `${JSON.stringify(document, plain, 2)}\n`;
}
