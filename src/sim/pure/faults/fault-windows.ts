/**
 * The window of each fault, from its apply to its proven undo. Faults that are applied many times are numbered,
 * `gateway-kill#12`, and form one family.
 */
import type { HistoryRecord } from '../../history.ts';

export interface FaultWindow {
  readonly name: string;
  readonly family: string;
  readonly startUs: number;
  /** Infinity when the undo was never proven. */
  readonly endUs: number;
  /** What was affected, as text. */
  readonly detail: string;
}

/** `gateway-kill` of `gateway-kill#12`. */
export function faultFamily(fault: string): string {
  return fault.replace(/#\d+$/, '');
}

/** In order of `startUs`. */
export function faultWindows(history: Iterable<HistoryRecord>): FaultWindow[] {
  const windows = new Map<string, FaultWindow>();
  for (const record of history) {
    if (record.kind !== 'fault') continue;
    const { name, event, atUs, detail = '' } = record;
    const open = windows.get(name);
    if (event === 'apply') {
      const family = faultFamily(name);
      windows.set(name, { name, family, startUs: atUs, endUs: Number.POSITIVE_INFINITY, detail });
    } else if (open !== undefined && event === 'landed') windows.set(name, { ...open, detail });
    else if (open !== undefined && event === 'healed') windows.set(name, { ...open, endUs: atUs });
  }
  return [...windows.values()].sort((a, b) => a.startUs - b.startUs);
}
