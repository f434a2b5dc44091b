/** What every verb of `platform audit` is called with, and how it prints a document. */
import type { AuditDesk } from '../services/gateway/audit-desk.ts';
import type { Io } from './io.ts';
import type { AuditFlags } from './program-audit.ts';

/** What a verb works with. */
export interface AuditCall {
  readonly desk: AuditDesk;
  readonly argument: string;
  readonly flags: AuditFlags;
  readonly io: Io;
}

/** Places in the log are 64-bit numbers, and JSON has none: they are written as text. */
export function asJson(document: unknown): string {
  const plain = (_key: string, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value;
  return `${JSON.stringify(document, plain, 2)}\n`;
}
