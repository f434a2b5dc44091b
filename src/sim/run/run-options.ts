/** Options and outcome of a run. */
import type { Plan } from '../plan/plan.ts';
import type { Result } from '../result.ts';
import type { RunEvent } from './run-events.ts';

export interface RunOptions {
  readonly plan: Plan;
  /** The reports folder; the run makes `<outDir>/<scenario>/<runId>/` in it. */
  readonly outDir: string;
  /** Leave the testbed of the last arm running; the outcome's `stopKept` stops it. */
  readonly keep: boolean;
  /** The command line as typed, for the report. */
  readonly command: string;
  /** Aborting ends the run at the next wait; the partial result is marked aborted. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

export interface RunOutcome {
  readonly result: Result;
  /** The run's folder, absolute; holds result.json, history.ndjson.gz and logs/. */
  readonly folder: string;
  /** With `keep`: stops the testbed. */
  readonly stopKept?: () => Promise<void>;
}

export type RunScenario = (options: RunOptions) => Promise<RunOutcome>;
