/**
 * The summary of several runs: a table with a row for each planned run, also for those that did not run, and a line
 * with the totals.
 */

import { formatTextTable } from '../../report/terminal-text.ts';
import type { Result } from '../../sim/result.ts';
import type { RunOutcome } from '../../sim/run/run-options.ts';
import { displayPath } from '../finished-run/write-reports.ts';
import { formatRepeats } from './repeat-summary.ts';

export interface SimSummaryInput {
  /** The scenario id of each planned run, in order. */
  readonly planned: readonly string[];
  /** Results of the first of them. */
  readonly finished: readonly RunOutcome[];
  readonly seed: number;
  /** Null if an error ends the command, which then sets the code. */
  readonly exitCode: number | null;
  readonly width: number;
}

export function formatSimSummary(summed: SimSummaryInput): string {
  const parts = [
    ...formatRepeatedRuns(summed),
    formatRunTable(summed),
    `${formatTotals(summed)}\n`,
  ];
  return parts.join('\n');
}

/** The spread of each scenario that ran more than once. */
function formatRepeatedRuns({ finished, seed, width }: SimSummaryInput): readonly string[] {
  const byScenario = new Map<string, Result[]>();
  for (const { result } of finished) {
    byScenario.set(result.scenario, [...(byScenario.get(result.scenario) ?? []), result]);
  }
  return [...byScenario]
    .filter(([, results]) => results.length > 1)
    .map(([id, results]) => `\n${id}, seed ${seed}\n${formatRepeats(results, width)}`);
}

function formatRunTable({ planned, finished, width }: SimSummaryInput): string {
  const rows = planned.map((id, index) => {
    const run = finished[index];
    if (run === undefined) return [id, 'not run', '', '', ''];
    const { verdict, aborted, exitCode, durationMs } = run.result;
    const outcome = aborted ? 'stopped' : verdict;
    return [id, outcome, `${exitCode}`, formatSeconds(durationMs), displayPath(run.folder)];
  });
  return formatTextTable(
    [
      { title: 'scenario' },
      { title: 'verdict' },
      { title: 'exit', align: 'right' },
      { title: 'seconds', align: 'right' },
      { title: 'reports' },
    ],
    rows,
    width,
  );
}

function formatTotals({ planned, finished, exitCode }: SimSummaryInput): string {
  const passed = finished.filter(({ result }) => result.exitCode === 0 && !result.aborted).length;
  const ms = finished.reduce((sum, { result }) => sum + result.durationMs, 0);
  const code = exitCode === null ? '' : `, exit ${exitCode}`;
  return `${passed} of ${planned.length} pass, ${formatSeconds(ms)} s${code}`;
}

const formatSeconds = (ms: number): string => String(Math.round(ms / 1_000));
