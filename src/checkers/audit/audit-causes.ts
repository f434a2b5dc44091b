/**
 * Attributes lost events to faults. An event is lost when its response was sent while the event was only in memory, so
 * the cause is a fault that was active at the response or started soon after. A fault of the process that answered is
 * preferred to others, then the earliest.
 */
import type { OperationRecord } from '../../sim/history.ts';
import type { FaultWindow } from '../../sim/pure/faults/fault-windows.ts';
import type { Figure } from '../../sim/result.ts';

export const NO_CAUSE = 'no fault';

export type CauseOf = (operation: OperationRecord) => string;

/** `horizonUs`: how long an event may be in memory before a fault loses it. */
export function createCauseFinder(windows: readonly FaultWindow[], horizonUs: number): CauseOf {
  // Few windows overlap an instant; the running maximum of the ends shows where the search can stop.
  const latestEndUs: number[] = [];
  for (const { endUs } of windows) latestEndUs.push(Math.max(endUs, latestEndUs.at(-1) ?? 0));
  return ({ doneUs, target = '' }) => {
    let best: { window: FaultWindow; score: number } | null = null;
    for (let index = lastStartedAt(windows, doneUs + horizonUs); index >= 0; index -= 1) {
      if (latestEndUs[index]! < doneUs) break;
      const window = windows[index]!;
      if (window.endUs < doneUs) continue;
      const isOtherTarget = target === '' || !window.detail.includes(`${target},`);
      const score = Math.max(0, window.startUs - doneUs) + (isOtherTarget ? 2 * horizonUs : 0);
      if (best === null || score < best.score) best = { window, score };
    }
    return best?.window.family ?? NO_CAUSE;
  };
}

/** Index of the last window that starts at or before the instant; -1: none. */
function lastStartedAt(windows: readonly FaultWindow[], atUs: number): number {
  let [low, high] = [0, windows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (windows[middle]!.startUs <= atUs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A figure for every kind of fault, also without losses, so that arms can be compared; and one for unexplained losses. */
export function lostByCause(
  lost: ReadonlyMap<string, number>,
  windows: readonly FaultWindow[],
): Figure[] {
  const families = [...new Set(windows.map(({ family }) => family))].sort();
  return [...families, ...(lost.has(NO_CAUSE) ? [NO_CAUSE] : [])].map((family) => ({
    id: `lost-${family.replaceAll(' ', '-')}`,
    label: `lost with ${family}`,
    value: lost.get(family) ?? 0,
    unit: 'count',
  }));
}
