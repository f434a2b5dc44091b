/**
 * result.json: the one document every report is made from. Versioned. `npm run schema` generates its JSON Schema,
 * result.schema.json, from these types: comments become descriptions; the tags are the schema's keywords.
 */
import type {
  ArmName,
  Count,
  Figure,
  LatencySummary,
  NonNegative,
  Positive,
  Ratio,
  Unit,
  Verdict,
} from './result/figures.ts';
import type { Capacity, Comparison, Diagnosis, HeatMap } from './result/findings.ts';

export type { ArmName, Figure, LatencySummary, Unit, Verdict } from './result/figures.ts';
export type {
  Capacity,
  Comparison,
  Diagnosis,
  HeatMap,
  LoadStep,
  QueryShare,
} from './result/findings.ts';

/** A threshold on a measured indicator. */
export interface SloResult {
  readonly id: string;
  /** k6's grammar: `latency.p99 < 500ms`. */
  readonly objective: string;
  /** What it is measured over: `check in login-storm, against baseline`; absent when it is all that is judged. */
  readonly scope?: string;
  /** In `unit`; null when there was no data. */
  readonly measured: number | null;
  readonly limit: number;
  readonly unit: Unit;
  readonly samples: Count;
  readonly verdict: Verdict;
  /** Why unknown, in one sentence. */
  readonly reason?: string;
  /**
   * Of a missed error ratio: what is left of it without timeouts and 503s, which a machine that is busy with something
   * else causes as well.
   */
  readonly withoutOverload?: Ratio;
}

/** Defects planted in the service to prove a checker: it has to catch every one. */
export interface PlantedDefects {
  readonly planted: Count;
  readonly caught: Count;
}

/** A checker's answer. */
export interface InvariantResult {
  readonly id: string;
  readonly statement: string;
  readonly verdict: Verdict;
  readonly checked: Count;
  readonly violations: Count;
  /**
   * Operations or effects that show the violation.
   * @maxItems 10
   */
  readonly witness: readonly Readonly<Record<string, unknown>>[];
  readonly reason?: string;
  /** What the checker measured on the way: revocation lag, sessions lost. */
  readonly figures?: readonly Figure[];
  /** A defect in more than this share of what was checked would have been seen, with 95 %; absent after a violation. */
  readonly detectableRate?: Ratio;
  /** In the tests of this version; absent where none are counted. */
  readonly planted?: PlantedDefects;
  /** What it counts follows from when requests came. */
  readonly dependsOnArrivals?: true;
}

/** A condition the run itself must meet before its numbers mean anything. */
export interface ValidityCheck {
  readonly id: string;
  readonly statement: string;
  /** What was seen, ready to print: `p99 0.8 ms`. */
  readonly measured: string;
  readonly limit: string;
  readonly ok: boolean;
  /** A failed `unknown` check turns the verdict; a failed `warn` is only shown. */
  readonly severity: 'unknown' | 'warn';
}

/** The documented figure beside the one this run produced. */
export interface DocumentedFigure {
  readonly id: string;
  readonly label: string;
  readonly documented: number;
  readonly reproduced: number | null;
  readonly unit: 'us' | 'percent';
  readonly low: number;
  readonly high: number;
  readonly verdict: Verdict;
}

/** One second (or `bucketUs`) of an arm. Percentiles are null where the second has no answer. */
export interface TimelinePoint {
  readonly atUs: NonNegative;
  readonly offeredPerSecond: NonNegative;
  readonly completedPerSecond: NonNegative;
  readonly p50Us: NonNegative | null;
  readonly p99Us: NonNegative | null;
  readonly inFlight: NonNegative;
  readonly errors: Count;
}

export interface PhaseSummary {
  readonly name: string;
  readonly startUs: NonNegative;
  readonly endUs: NonNegative;
  /** Judged phases enter the SLOs; the others are shown only. */
  readonly judged: boolean;
  /** What the phase is for, in one short sentence. */
  readonly note: string;
  /** Operations scheduled in it, retries folded into their operation; null when there were none. */
  readonly load: {
    readonly latency: LatencySummary;
    readonly errorRatio: NonNegative;
    /** Requests sent per operation, retries included. */
    readonly attemptsPerOperation: NonNegative;
  } | null;
}

/** How one process spent the judged phase. `cpuPercent` is of one core: 100 = one core full. */
export interface ProcessResources {
  readonly cpuPercent: NonNegative;
  readonly rssBytes: NonNegative;
  /** CPU per completed operation of the judged phase; null when nothing completed. */
  readonly cpuUsPerOperation: NonNegative | null;
  /** Cores it was pinned to, `any` when it was not. */
  readonly cores: string;
}

/** From the instant a fault took effect to its proven undo. */
export interface FaultSummary {
  readonly name: string;
  /** Of a fault that is one of many alike, what they are called together: `gateway-kill` of `gateway-kill#12`. */
  readonly family?: string;
  readonly startUs: NonNegative;
  readonly endUs: NonNegative;
  /** `missed`: the moment it waited for never came, or it had no effect. */
  readonly outcome: 'healed' | 'missed' | 'not healed';
  readonly detail: string;
}

export interface RecoveryResult {
  readonly fault: string;
  /** From the fault to the SLO's burn-rate alert on the recorded series; null when it never fired. */
  readonly detectUs: NonNegative | null;
  /** From the fault to the first instant since which the indicator stayed in tolerance; null when that was not shown. */
  readonly recoverUs: NonNegative | null;
  /** From the heal until nothing was left over from the fault: operations in flight back at their baseline. */
  readonly drainUs: NonNegative | null;
  /** From the fault to where it is answered for no longer: the next fault, or the end of the run. Absent where it missed. */
  readonly watchedUs?: NonNegative;
  /** The fault that began then; absent: the run ended. */
  readonly next?: string;
  /** The alert and the tolerance in words. */
  readonly note: string;
}

/** Kinds of records of an arm, see history.ts. */
export type RecordKind = 'op' | 'phase' | 'fault' | 'effect' | 'arrival' | 'metric' | 'rest';

/** One design under test in a run. */
export interface ArmResult {
  readonly design: string;
  readonly description: string;
  readonly expected: Verdict;
  readonly verdict: Verdict;
  /** One sentence. */
  readonly reason: string;
  /** Response time from the scheduled instant, over the judged phases. */
  readonly latency: LatencySummary;
  /** From the actual send: what a tool that forgets waiting would print. */
  readonly serviceTime: LatencySummary;
  /** Send lag of the load generator. */
  readonly lag: { readonly p99Us: NonNegative };
  readonly offeredPerSecond: NonNegative;
  readonly achievedPerSecond: NonNegative;
  readonly planned: Count;
  /** What the load generator counted by itself, to be compared with the history; null before version 3. */
  readonly sender: {
    /** Attempts recorded, and those of them that are retries. */
    readonly recorded: Count;
    readonly retries: Count;
    /** Which attempt was scheduled when, as 16 hexadecimal digits. */
    readonly scheduleDigest: string;
  } | null;
  /** How many records of each kind the history has of the arm; null before version 3. */
  readonly records: Readonly<Record<RecordKind, Count>> | null;
  readonly outcomes: { readonly ok: Count; readonly fail: Count; readonly unknown: Count };
  readonly operations: Readonly<Record<string, LatencySummary>>;
  readonly errors: readonly { readonly cause: string; readonly count: Count }[];
  /** First half against second half of the judged phase: the noise floor of this arm's own mean. */
  readonly noise: { readonly halfMeanRatio: NonNegative | null };
  readonly slos: readonly SloResult[];
  readonly invariants: readonly InvariantResult[];
  readonly validity: readonly ValidityCheck[];
  readonly documented: readonly DocumentedFigure[];
  readonly resources: Readonly<Record<string, ProcessResources>>;
  readonly recovery: readonly RecoveryResult[];
  readonly phases: readonly PhaseSummary[];
  readonly faults: readonly FaultSummary[];
  /** Work per operation over the phases it is measured in: statements, commands, CPU, bytes of WAL. */
  readonly costs: readonly Figure[];
  readonly timeline: { readonly bucketUs: Positive; readonly points: readonly TimelinePoint[] };
  /** Judged phase: percentile (0 to 1) and latency, for the spectrum. */
  readonly spectrum: readonly { readonly quantile: Ratio; readonly valueUs: NonNegative }[];
  readonly heatMap: HeatMap | null;
  /** Error count per timeline bucket and cause. */
  readonly errorTimeline: readonly { readonly cause: string; readonly counts: readonly Count[] }[];
  /** Percent of one core, by process. */
  readonly resourceTimeline: {
    readonly bucketUs: Positive;
    readonly processes: Readonly<Record<string, readonly (NonNegative | null)[]>>;
  };
  readonly capacity: Capacity | null;
  readonly diagnosis: Diagnosis | null;
  /** Steps of the search for the documented load; empty when the workload was not calibrated. */
  readonly calibration: readonly {
    readonly users: Count;
    readonly cpuPercent: NonNegative | null;
    readonly meanUs: NonNegative;
    readonly note: string;
  }[];
}

export interface Environment {
  readonly platform: string;
  readonly node: string;
  /** What the nodes of the testbed run, by name: `PostgreSQL 18.4`; those without a version are left out. */
  readonly versions: Readonly<Record<string, string>>;
  readonly cpuModel: string;
  readonly cores: Count;
  readonly memoryBytes: NonNegative;
  readonly loadAverage: NonNegative;
  readonly timerJitterP99Us: NonNegative;
  readonly fsyncP50Us: NonNegative | null;
  readonly pinned: boolean;
  readonly version: string;
  /** Commit of the checkout, when there is one. */
  readonly commit: string | null;
}

/**
 * result.json of platform-sim: the one document every report is made from. Times are microseconds with the unit last
 * in the name; ratios are 0 to 1 unless named percent.
 */
export interface Result {
  readonly schema: 'platform-sim/result@3';
  readonly scenario: string;
  readonly title: string;
  readonly question: string;
  readonly situation: string;
  readonly runId: string;
  /** ISO 8601 instant in UTC. */
  readonly startedAt: string;
  readonly durationMs: NonNegative;
  readonly verdict: Verdict;
  /**
   * 0 pass, 97 unknown, 98 invariant violated, 99 SLO missed, 130 or 143 interrupted.
   * @minimum 0 @maximum 255 @asType integer
   */
  readonly exitCode: number;
  /** The verdict in one sentence, the first line of every report. */
  readonly sentence: string;
  readonly aborted: boolean;
  /** @asType integer */
  readonly seed: number;
  readonly quick: boolean;
  /** What the reduced scale of --quick changes; empty otherwise. */
  readonly scaleNote: string;
  readonly command: string;
  readonly environment: Environment;
  /** Ids of everything that failed against expectation: `after.slo.p99`, `after.invariant.audit-once`. */
  readonly failed: readonly string[];
  /** One entry per arm that ran. */
  readonly arms: Readonly<Partial<Record<ArmName, ArmResult>>>;
  /** Absent where the scenario compares nothing. */
  readonly comparison?: Comparison;
}
