/** What a run tells its caller while it works, and what it is asked for. Presentation is the caller's. */
import type { LoadTool } from './pure/load-tool.ts';
import type { ArmName, Result } from './result.ts';
import type { Scenario } from './scenario.ts';

export interface RunOptions<Kind extends Scenario = Scenario> {
  readonly scenario: Kind;
  readonly seed: number;
  readonly quick: boolean;
  readonly arms: readonly ArmName[];
  /** Runs each arm's design under the other arm's name: the verdict must notice. For self-checks. */
  readonly swapArms: boolean;
  /** Replaces the calibrated population by open Poisson arrivals at this rate. */
  readonly ratePerSecond?: number;
  /** Plays the arrivals of `ratePerSecond` in place of our own sender. */
  readonly load?: LoadTool;
  /** Replaces the length of the judged phase. */
  readonly durationMs?: number;
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

export type RunEvent =
  | { readonly type: 'run'; readonly runId: string; readonly folder: string }
  | {
      readonly type: 'phase';
      readonly arm: ArmName | null;
      readonly phase: string;
      /** One short sentence, lower case, no full stop: `sizing the population for 92 % database CPU`. */
      readonly note: string;
      /** Planned length; null when it ends by itself. */
      readonly plannedMs: number | null;
    }
  | {
      readonly type: 'progress';
      readonly arm: ArmName;
      readonly phase: string;
      readonly offeredPerSecond: number;
      readonly achievedPerSecond: number;
      readonly p50Us: number | null;
      readonly p99Us: number | null;
      readonly errors: number;
      readonly inFlight: number;
      /** Percent of one core, by process name. */
      readonly cpuPercent: Readonly<Record<string, number>>;
    }
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'kept'; readonly lines: readonly string[] };

export interface RunOutcome {
  readonly result: Result;
  /** The run's folder, absolute; holds result.json, history.ndjson.gz and logs/. */
  readonly folder: string;
  /** With `keep`: ends what was left running. */
  readonly stopKept?: () => Promise<void>;
}

export type RunScenario = (options: RunOptions) => Promise<RunOutcome>;
