/**
 * What an event was lost to. An answer is given, the event stands somewhere that is not durable, and what comes next
 * takes it along: so the cause is a fault that was going on when the answer came, or that began soon after. One that
 * hit the process which answered goes before others, and the nearer one before the later one.
 */
import type { OperationRecord } from '../../sim/history.ts';
import type { FaultWindow } from '../../sim/pure/fault-windows.ts';
import type { Figure } from '../../sim/result.ts';

export const NO_CAUSE = 'no fault';

export type CauseOf = (operation: OperationRecord) => string;

/** `horizonUs`: how long an event may have stood in memory before a fault took it. */
export function causesAmong(windows: readonly FaultWindow[], horizonUs: number): CauseOf {
  // Windows overlap little, so those that may reach an instant are few; a running maximum finds the first of them.
  const reach: number[] = [];
  for (const { endUs } of windows) reach.push(Math.max(endUs, reach.at(-1) ?? 0));
  return ({ doneUs, target = '' }) => {
    let best: { window: FaultWindow; score: number } | null = null;
    for (let index = lastBegun(windows, doneUs + horizonUs); index >= 0; index -= 1) {
      if (reach[index]! < doneUs) break;
      const window = windows[index]!;
      if (window.endUs < doneUs) continue;
      const isElsewhere = target === '' || !window.detail.includes(`${target},`);
      const score = Math.max(0, window.startUs - doneUs) + (isElsewhere ? 2 * horizonUs : 0);
      if (best === null || score < best.score) best = { window, score };
    }
    return best?.window.family ?? NO_CAUSE;
  };
}

/** Index of the last window that begins at or before the instant; -1: none. */
function lastBegun(windows: readonly FaultWindow[], atUs: number): number {
  let [low, high] = [0, windows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (windows[middle]!.startUs <= atUs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** One figure for every kind of fault there was, so that arms stand beside each other; and one for what no fault explains. */
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
