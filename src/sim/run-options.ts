/** What a run is asked for, and what it answers. */
import type { Plan } from './plan.ts';
import type { Result } from './result.ts';
import type { RunEvent } from './run-events.ts';

export interface RunOptions {
  readonly plan: Plan;
  /** The reports folder; the run makes `<outDir>/<scenario>/<runId>/` in it. */
  readonly outDir: string;
  /** Leave PostgreSQL, Redis and the service of the last arm running; the outcome's `stopKept` ends them. */
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
  /** With `keep`: ends what was left running. */
  readonly stopKept?: () => Promise<void>;
}

export type RunScenario = (options: RunOptions) => Promise<RunOutcome>;
