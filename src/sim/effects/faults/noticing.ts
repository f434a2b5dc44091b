/**
 * Whether the service noticed a fault: metrics of its own that must grow while the fault holds, such as an opened breaker
 * or answers from a fallback. Read before the fault is applied, because a busy service answers later than it notices;
 * just before its undo; and once more when it is healed, because a service may notice within a timeout of its own.
 */
import type { NoticedBy } from '../../fault-plan.ts';
import type { FaultEvidence } from '../../history.ts';
import type { MetricsSnapshot } from '../observe/prometheus.ts';
import { isSameProcess, type MetricsReading } from '../observe/service-metrics.ts';

/** Never rejects; null for a process that does not answer within `limitMs`. */
export type ReadServiceMetrics = (limitMs: number) => Promise<MetricsReading>;

/** Short before the undo: the wait for a process that is down would prolong the fault. */
const LIMIT_MS = { before: 2_000, held: 300, healed: 2_000 } as const;

export class Noticing {
  readonly #noticed: readonly NoticedBy[];
  readonly #read: ReadServiceMetrics;
  readonly #before: MetricsReading;
  /** The largest increase of each, because a gauge may fall again. */
  readonly #seen = new Map<string, FaultEvidence>();

  private constructor(
    noticed: readonly NoticedBy[],
    read: ReadServiceMetrics,
    before: MetricsReading,
  ) {
    this.#noticed = noticed;
    this.#read = read;
    this.#before = before;
  }

  /** Resolves when the metrics before the fault are known. */
  static async start(noticed: readonly NoticedBy[], read: ReadServiceMetrics): Promise<Noticing> {
    return new Noticing(noticed, read, await read(LIMIT_MS.before));
  }

  async readHeld(): Promise<void> {
    await this.#compare(LIMIT_MS.held);
  }

  async evidence(): Promise<readonly FaultEvidence[]> {
    const isNoticedByNow = this.#seen.size > 0 && [...this.#seen.values()].every(isNoticed);
    if (!isNoticedByNow) await this.#compare(LIMIT_MS.healed);
    return [...this.#seen.values()];
  }

  async #compare(limitMs: number): Promise<void> {
    const after = await this.#read(limitMs);
    for (const [what, { value }] of this.#seen) if (value === null) this.#seen.delete(what);
    const evidence = this.#noticed.flatMap((one) => noticedEvidence(one, this.#before, after));
    for (const one of evidence) {
      const seen = this.#seen.get(one.what)?.value ?? Number.NEGATIVE_INFINITY;
      if (seen < (one.value ?? 0) || !this.#seen.has(one.what)) this.#seen.set(one.what, one);
    }
  }
}

/** Processes that were replaced or did not answer are left out: their counts are lost. */
export function noticedEvidence(
  { metrics, processes }: NoticedBy,
  before: MetricsReading,
  after: MetricsReading,
): FaultEvidence[] {
  const pairs = [...before].flatMap(([name, from]) => {
    const to = after.get(name) ?? null;
    return from !== null && to !== null && isSameProcess(from, to) ? [{ name, from, to }] : [];
  });
  return metrics.flatMap((metric): FaultEvidence[] => {
    const increases = pairs.map(({ name, from, to }) => ({
      what: `increase of ${metric} in ${name}`,
      value: increaseOf(metric, from, to),
      atLeast: 1,
    }));
    if (processes === 'every' && increases.length > 0) return increases;
    const known = increases.flatMap(({ value }) => value ?? []);
    const value = known.length === 0 ? null : Math.max(...known);
    return [{ what: `increase of ${metric} in one process`, value, atLeast: 1 }];
  });
}

/** A series appears with its first value. Null: the metric is unknown. */
function increaseOf(metric: string, from: MetricsSnapshot, to: MetricsSnapshot): number | null {
  const value = to.value(metric);
  return value === null ? null : value - (from.value(metric) ?? 0);
}

function isNoticed({ value, atLeast = 0 }: FaultEvidence): boolean {
  return value !== null && value >= atLeast;
}
