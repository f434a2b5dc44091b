/**
 * What several runs came to: one table over everything that was asked for, and one closing line. A run that did
 * not come about has its row too, so that a short table is never mistaken for a short list.
 */
import type { Result } from '../sim/result.ts';
import type { RunOutcome } from '../sim/run-options.ts';
import { repeatSummary } from './repeat-summary.ts';
import { textTable } from './text-table.ts';
import { shownPath } from './write-reports.ts';

export interface Summed {
  /** Ids of the scenarios in the order of their runs, one an intended run. */
  readonly planned: readonly string[];
  /** The first of them. */
  readonly finished: readonly RunOutcome[];
  readonly seed: number;
  /** Null where an error is about to say it. */
  readonly exitCode: number | null;
  readonly width: number;
}

export function simSummary(summed: Summed): string {
  const parts = [...spreads(summed), overview(summed), `${closing(summed)}\n`];
  return parts.join('\n');
}

/** Of the scenarios that ran more than once. */
function spreads({ finished, seed, width }: Summed): readonly string[] {
  const byScenario = new Map<string, Result[]>();
  for (const { result } of finished) {
    byScenario.set(result.scenario, [...(byScenario.get(result.scenario) ?? []), result]);
  }
  return [...byScenario]
    .filter(([, results]) => results.length > 1)
    .map(([id, results]) => `\n${id}, seed ${seed}\n${repeatSummary(results, width)}`);
}

function overview({ planned, finished, width }: Summed): string {
  const rows = planned.map((id, index) => {
    const run = finished[index];
    if (run === undefined) return [id, 'not run', '', '', ''];
    const { verdict, aborted, exitCode, durationMs } = run.result;
    const said = aborted ? 'stopped' : verdict;
    return [id, said, `${exitCode}`, secondsOf(durationMs), shownPath(run.folder)];
  });
  return textTable(
    [
      ...['scenario', 'verdict'].map((title) => ({ title })),
      ...['exit', 'seconds'].map((title) => ({ title, align: 'right' as const })),
      { title: 'reports' },
    ],
    rows,
    width,
  );
}

function closing({ planned, finished, exitCode }: Summed): string {
  const passed = finished.filter(({ result }) => result.exitCode === 0 && !result.aborted).length;
  const ms = finished.reduce((sum, { result }) => sum + result.durationMs, 0);
  const code = exitCode === null ? '' : `, exit ${exitCode}`;
  return `${passed} of ${planned.length} pass, ${secondsOf(ms)} s${code}`;
}

const secondsOf = (ms: number): string => String(Math.round(ms / 1_000));
