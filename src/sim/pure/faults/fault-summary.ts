/**
 * Faults for the report: from the instant each took effect to its proven undo. A fault that never took effect, or that
 * what was measured while it held contradicts, or whose undo was never proven, makes the arm's verdict unknown.
 */
import type { FaultRecord, HistoryRecord } from '../../history.ts';
import type { FaultSummary } from '../../result.ts';
import type { Span } from '../measure/series.ts';
import { contradictions, evidenceText } from './fault-evidence.ts';
import { faultFamily } from './fault-windows.ts';

/** Prefix of a fault's detail when it was applied before its trigger event came. */
export const WITHOUT_EVENT = 'without its event';
/** Before the contradictions in the detail of a fault that was applied and had not the effect of its kind. */
export const CONTRADICTED = 'contradicted: ';

export function faultSummaries(
  history: readonly HistoryRecord[],
  planned: readonly string[],
  span: Span,
): FaultSummary[] {
  // A planned fault that was never applied has no record.
  const byName = new Map<string, FaultRecord[]>(planned.map((name) => [name, []]));
  for (const record of history) {
    if (record.kind !== 'fault') continue;
    const records = byName.get(record.name) ?? [];
    records.push(record);
    byName.set(record.name, records);
  }
  return [...byName].map(([name, records]) => summarizeFault(name, records, span));
}

function summarizeFault(name: string, records: readonly FaultRecord[], span: Span): FaultSummary {
  const first = (event: FaultRecord['event']) => records.find((record) => record.event === event);
  const [landed, healed] = [first('landed'), first('healed')];
  const startUs = (landed ?? first('apply') ?? records[0])?.atUs ?? span.startUs;
  const endUs = (healed ?? first('undo'))?.atUs ?? span.endUs;
  const evidence = records.flatMap((record) => record.evidence ?? []);
  const contradicted = contradictions(evidence);
  const isMissed = landed === undefined || contradicted.length > 0;
  const outcome = isMissed ? 'missed' : healed === undefined ? 'not healed' : 'healed';
  const applied = first('apply')?.detail ?? '';
  const detail = [
    landed?.detail ?? applied,
    ...(applied.startsWith(WITHOUT_EVENT) && landed !== undefined ? [applied] : []),
    contradicted.length > 0 ? CONTRADICTED + contradicted.join('; ') : evidenceText(evidence),
  ]
    .filter((text) => text !== '')
    .join('; ');
  const family = faultFamily(name);
  return {
    name,
    ...(family === name ? {} : { family }),
    startUs,
    endUs: Math.max(startUs, endUs),
    outcome,
    detail,
  };
}
