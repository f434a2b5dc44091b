/**
 * The comparison: the same trace through every limiter at the same time, each on keys of its own, then what each
 * costs. One table, as the report shows it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { type Contestant, createContestants } from './contestants.ts';
import { type Cost, measureCosts } from './cost.ts';
import { type Decided, falseRefusals, worstWindow } from './measure.ts';
import { type Asked, makeTrace } from './trace.ts';

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

/** No window ends while costs are measured: whoever was active stays it. */
const COST_WINDOW_MS = 600_000;

export async function compareLimiters(options: CompareOptions): Promise<LimiterComparison> {
  const { limit, windowMs, windows, users } = options;
  const trace = makeTrace(options);
  const onTrace = createContestants({ ...options, keyPrefix: `${options.keyPrefix}trace:` });
  const decided = await playTrace(onTrace, trace, windowMs);
  const costs = await limiterCosts(options);
  return {
    title: 'Limiters on the same trace',
    note:
      `${grouped(trace.length)} requests in ${windows} windows of ${windowMs / 1_000} s, limit ${limit}: six random users and four who know ` +
      'where windows end, through all limiters at the same time on one Redis. Most in one window is in parts of the limit; ' +
      'false refusals are requests that would have fitted. ' +
      `Costs are per decision and per user with ${grouped(users)} active users, medians of ${options.rounds} rounds.`,
    columns: [
      { id: 'worst', label: 'most in one window', unit: 'times', better: 'lower' },
      { id: 'false', label: 'false refusals', unit: 'count', better: 'lower' },
      { id: 'commands', label: 'Redis commands', unit: 'count', better: 'lower' },
      { id: 'cpu', label: 'Redis CPU', unit: 'us', better: 'lower' },
      { id: 'bytes', label: 'bytes per user', unit: 'bytes', better: 'lower' },
    ],
    rows: onTrace.map(({ id, name, ours }) => {
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
const grouped = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

export type CostsOptions = Omit<CompareOptions, 'windowMs' | 'windows'>;

export async function limiterCosts(options: CostsOptions): Promise<Map<string, Cost>> {
  const contestants = createContestants({
    ...options,
    ...{ keyPrefix: `${options.keyPrefix}cost:`, windowMs: COST_WINDOW_MS },
  });
  return measureCosts({ ...options, contestants, observer: options.connect() });
}

/** Starts when a window starts for those who cut time into pieces. */
async function playTrace(
  contestants: readonly Contestant[],
  trace: readonly Asked[],
  windowMs: number,
): Promise<Map<string, Decided[]>> {
  const decided = new Map(contestants.map(({ id }) => [id, [] as Decided[]]));
  const nowUs = () => performance.now() * 1_000;
  // Scripts are loaded and connections are there before the first request that counts.
  await Promise.all(contestants.map((contestant) => contestant.take('warm-up', 1)));
  await delay(windowMs - (Date.now() % windowMs));
  const startMs = performance.now();
  const asked: Promise<void>[] = [];
  for (const { atMs, subject } of trace) {
    const waitMs = startMs + atMs - performance.now();
    if (waitMs >= 1) await delay(waitMs);
    for (const { id, take } of contestants) {
      const sentUs = nowUs();
      const record = (admitted: boolean) =>
        void decided.get(id)!.push({ subject, sentUs, doneUs: nowUs(), admitted });
      asked.push(take(subject, 1).then(record));
    }
  }
  await Promise.all(asked);
  return decided;
}
