/**
 * The times in which something was broken: of each fault from the moment it was applied until its undo was proven.
 * Faults of one kind that are applied many times carry numbers, `gateway-kill#12`, and are one family.
 */
import type { HistoryRecord } from '../history.ts';

export interface FaultWindow {
  readonly name: string;
  readonly family: string;
  readonly startUs: number;
  /** Infinite when it was never proven undone. */
  readonly endUs: number;
  /** What was hit, in words. */
  readonly detail: string;
}

/** `gateway-kill` of `gateway-kill#12`. */
export function familyOf(fault: string): string {
  return fault.replace(/#\d+$/, '');
}

/** In order of their beginnings. */
export function faultWindows(history: Iterable<HistoryRecord>): FaultWindow[] {
  const windows = new Map<string, FaultWindow>();
  for (const record of history) {
    if (record.kind !== 'fault') continue;
    const { name, event, atUs, detail = '' } = record;
    const open = windows.get(name);
    if (event === 'apply') {
      const family = familyOf(name);
      windows.set(name, { name, family, startUs: atUs, endUs: Number.POSITIVE_INFINITY, detail });
    } else if (open !== undefined && event === 'landed') windows.set(name, { ...open, detail });
    else if (open !== undefined && event === 'healed') windows.set(name, { ...open, endUs: atUs });
  }
  return [...windows.values()].sort((a, b) => a.startUs - b.startUs);
}
