/**
 * Faults as a report shows them: from the instant each took effect to its proven undo. A fault that never took
 * effect, or that was never proven undone, keeps that on its record and makes the arm's verdict unknown.
 */
import type { FaultRecord, HistoryRecord } from '../history.ts';
import type { FaultSummary } from '../result.ts';
import { familyOf } from './fault-windows.ts';
import type { Span } from './series.ts';

/** How the record of a fault begins that was applied without the event it waited for. */
export const WITHOUT_EVENT = 'without its event';

export function faultSummaries(
  history: readonly HistoryRecord[],
  planned: readonly string[],
  span: Span,
): FaultSummary[] {
  // One whose moment never came has no record, and must not be forgotten for it.
  const byName = new Map<string, FaultRecord[]>(planned.map((name) => [name, []]));
  for (const record of history) {
    if (record.kind !== 'fault') continue;
    const records = byName.get(record.name) ?? [];
    records.push(record);
    byName.set(record.name, records);
  }
  return [...byName].map(([name, records]) => summaryOf(name, records, span));
}

function summaryOf(name: string, records: readonly FaultRecord[], span: Span): FaultSummary {
  const first = (event: FaultRecord['event']) => records.find((record) => record.event === event);
  const [landed, healed] = [first('landed'), first('healed')];
  const startUs = (landed ?? first('apply') ?? records[0])?.atUs ?? span.startUs;
  const endUs = (healed ?? first('undo'))?.atUs ?? span.endUs;
  const outcome = landed === undefined ? 'missed' : healed === undefined ? 'not healed' : 'healed';
  const applied = first('apply')?.detail ?? '';
  const detail = [
    landed?.detail ?? applied,
    ...(applied.startsWith(WITHOUT_EVENT) && landed !== undefined ? [applied] : []),
  ]
    .filter((text) => text !== '')
    .join('; ');
  const family = familyOf(name);
  return {
    name,
    ...(family === name ? {} : { family }),
    ...{ startUs, endUs: Math.max(startUs, endUs), outcome, detail },
  };
}
