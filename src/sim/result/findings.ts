/** What a search, a diagnosis, a heat map and a comparison found; parts of a result, see result.ts. */
import type {
  Count,
  LatencySummary,
  NonNegative,
  Positive,
  Ratio,
  Unit,
  Verdict,
} from './figures.ts';

export interface LoadStep {
  readonly offeredPerSecond: NonNegative;
  readonly achievedPerSecond: NonNegative;
  readonly latency: LatencySummary;
  readonly errorRatio: Ratio;
  readonly lagP99Us: NonNegative;
  /** Did every SLO hold at this step? `unknown` when the generator, not the platform, was the limit. */
  readonly verdict: Verdict;
  readonly reason?: string;
  /** Index of the earlier step at the same rate that this one repeats; the last one decides. */
  readonly repeats?: Count;
}

/** How much traffic the arm holds within its SLO. */
export interface Capacity {
  readonly steps: readonly LoadStep[];
  /** Highest step whose SLOs all held, also when repeated; null when none did. */
  readonly holdsPerSecond: NonNegative | null;
  /** Lowest step that broke, also when repeated; null when the search ended before one did. */
  readonly breaksPerSecond: NonNegative | null;
  /** Holds divided by a rate at which `before` already broke its SLO: a lower bound on the true factor. */
  readonly timesBefore: NonNegative | null;
  readonly note: string;
}

/** Latency heat map: row-major counts; row r spans edgesUs[r] to edgesUs[r + 1], column c is one bucket of time. */
export interface HeatMap {
  readonly startUs: NonNegative;
  readonly bucketUs: Positive;
  readonly columns: Count;
  readonly edgesUs: readonly NonNegative[];
  readonly counts: readonly (readonly Count[])[];
}

export interface QueryShare {
  readonly query: string;
  readonly calls: NonNegative;
  readonly totalMs: NonNegative;
  readonly meanMs: NonNegative;
  readonly rowsPerCall: NonNegative;
  /** Of all time spent in statements, 0 to 1. */
  readonly share: Ratio;
  readonly culprit: boolean;
}

/** Why the arm is slow, from the system's own instruments. */
export interface Diagnosis {
  /** One sentence a reader can act on. */
  readonly finding: string;
  readonly queries: readonly QueryShare[];
  /** EXPLAIN (ANALYZE, BUFFERS) of the top statement. */
  readonly plan: {
    readonly query: string;
    readonly node: string;
    readonly rowsRemoved: NonNegative;
    readonly text: string;
  } | null;
  /** Share of samples of busy backends by wait event, largest first; `CPU` = running, not waiting. */
  readonly waits: readonly {
    readonly event: string;
    readonly share: Ratio;
    readonly samples: Count;
  }[];
  /** What was considered and excluded, with the evidence. */
  readonly ruledOut: readonly { readonly cause: string; readonly evidence: string }[];
  readonly poolWaitP99Us: NonNegative | null;
  readonly eventLoopDelayP99Us: NonNegative | null;
}

/** Alternatives to one part of a design, put through the same trace beside each other. */
export interface Comparison {
  readonly title: string;
  /** What was compared and how, in two sentences. */
  readonly note: string;
  readonly columns: readonly {
    readonly id: string;
    readonly label: string;
    readonly unit: Unit;
    readonly better: 'lower' | 'higher';
  }[];
  readonly rows: readonly {
    readonly name: string;
    readonly ours: boolean;
    /** By column id; null: does not apply. */
    readonly values: Readonly<Record<string, number | null>>;
  }[];
  /** The column the chart shows, and the value that is promised there. */
  readonly chart: { readonly column: string; readonly limit: number | null };
}
