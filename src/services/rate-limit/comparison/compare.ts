/**
 * Runs the same trace through every limiter at the same time, each on keys of its own, then measures the cost of each.
 * The result is one table, as the report shows it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { type ComparedLimiter, createComparedLimiters } from './compared-limiters.ts';
import { type Cost, measureCosts } from './cost.ts';
import { falseRefusals, type ObservedDecision, worstWindow } from './measure.ts';
import { makeTrace, type TraceRequest } from './trace.ts';

/** The shape reports read; the same is declared where results are. */
export interface LimiterComparison {
  readonly title: string;
  readonly note: string;
  readonly columns: readonly {
    readonly id: string;
    readonly label: string;
    readonly unit: 'times' | 'count' | 'us' | 'bytes';
    readonly better: 'lower';
  }[];
  readonly rows: readonly {
    readonly name: string;
    readonly ours: boolean;
    readonly values: Readonly<Record<string, number>>;
  }[];
  readonly chart: { readonly column: string; readonly limit: number };
}

export interface CompareOptions {
  connect(): Redis;
  readonly keyPrefix: string;
  readonly limit: number;
  readonly windowMs: number;
  /** How long the trace is. */
  readonly windows: number;
  /** Active at one time while costs are measured. */
  readonly users: number;
  readonly rounds: number;
  readonly decisions: number;
  readonly random: () => number;
}

/** Longer than the measurement, so that no window ends in it and every user stays active. */
const COST_WINDOW_MS = 600_000;

export async function compareLimiters(options: CompareOptions): Promise<LimiterComparison> {
  const { limit, windowMs, windows, users } = options;
  const trace = makeTrace(options);
  const limiters = createComparedLimiters({ ...options, keyPrefix: `${options.keyPrefix}trace:` });
  const decided = await playTrace(limiters, trace, windowMs);
  const costs = await limiterCosts(options);
  return {
    title: 'Limiters on the same trace',
    note:
      `${withThousands(trace.length)} requests in ${windows} windows of ${windowMs / 1_000} s, limit ${limit}: six random users and four who know ` +
      'where windows end, through all limiters at the same time on one Redis. Most in one window is in parts of the limit; ' +
      'false refusals are requests that would have fitted. ' +
      `Costs are per decision and per user with ${withThousands(users)} active users, medians of ${options.rounds} rounds.`,
    columns: [
      { id: 'worst', label: 'most in one window', unit: 'times', better: 'lower' },
      { id: 'false', label: 'false refusals', unit: 'count', better: 'lower' },
      { id: 'commands', label: 'Redis commands', unit: 'count', better: 'lower' },
      { id: 'cpu', label: 'Redis CPU', unit: 'us', better: 'lower' },
      { id: 'bytes', label: 'bytes per user', unit: 'bytes', better: 'lower' },
    ],
    rows: limiters.map(({ id, name, ours }) => {
      const cost = costs.get(id)!;
      const windowUs = windowMs * 1_000;
      return {
        name,
        ours,
        values: {
          worst: worstWindow(decided.get(id)!, windowUs) / limit,
          false: falseRefusals(decided.get(id)!, { limit, windowUs }),
          commands: cost.commandsPerDecision,
          cpu: cost.cpuUsPerDecision,
          bytes: cost.bytesPerUser,
        },
      };
    }),
    chart: { column: 'worst', limit: 1 },
  };
}

/** `10,000` */
const withThousands = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

export type CostsOptions = Omit<CompareOptions, 'windowMs' | 'windows'>;

export async function limiterCosts(options: CostsOptions): Promise<Map<string, Cost>> {
  const limiters = createComparedLimiters({
    ...options,
    keyPrefix: `${options.keyPrefix}cost:`,
    windowMs: COST_WINDOW_MS,
  });
  return measureCosts({ ...options, limiters, observer: options.connect() });
}

/** Starts at a multiple of the window, where limiters with fixed windows begin one. */
async function playTrace(
  limiters: readonly ComparedLimiter[],
  trace: readonly TraceRequest[],
  windowMs: number,
): Promise<Map<string, ObservedDecision[]>> {
  const decided = new Map(limiters.map(({ id }) => [id, [] as ObservedDecision[]]));
  const nowUs = () => performance.now() * 1_000;
  // Loads scripts and opens connections before the first request that counts.
  await Promise.all(limiters.map((limiter) => limiter.take('warm-up', 1)));
  await delay(windowMs - (Date.now() % windowMs));
  const startMs = performance.now();
  const pending: Promise<void>[] = [];
  for (const { atMs, subject } of trace) {
    const waitMs = startMs + atMs - performance.now();
    if (waitMs >= 1) await delay(waitMs);
    for (const { id, take } of limiters) {
      const sentUs = nowUs();
      const record = (admitted: boolean) =>
        void decided.get(id)!.push({ subject, sentUs, doneUs: nowUs(), admitted });
      pending.push(take(subject, 1).then(record));
    }
  }
  await Promise.all(pending);
  return decided;
}
