/** The service's own histograms around a phase, read from each of its processes, as records of the history. */
import type { MetricRecord } from '../../history.ts';
import { type MetricsSnapshot, scrape } from './prometheus.ts';

/** Set by the process's start, as every Prometheus client has it. */
const STARTED = 'process_start_time_seconds';

/** By process; null: it did not answer. */
export type MetricsReading = ReadonlyMap<string, MetricsSnapshot | null>;

export async function readMetrics(
  services: readonly { readonly name: string; readonly url: string }[],
): Promise<MetricsReading> {
  const read = services.map(
    async ({ name, url }) => [name, await scrape(url).catch(() => null)] as const,
  );
  return new Map(await Promise.all(read));
}

export function gainsBetween(
  { phase, metrics }: { readonly phase: string; readonly metrics: readonly string[] },
  from: MetricsReading,
  to: MetricsReading,
): MetricRecord[] {
  return [...from].flatMap(([process, before]) =>
    metrics.map((name): MetricRecord => {
      const counts = gained(name, before, to.get(process) ?? null);
      return { kind: 'metric', name, phase, process, ...(counts && { counts }) };
    }),
  );
}

function gained(
  name: string,
  before: MetricsSnapshot | null,
  after: MetricsSnapshot | null,
): Record<string, number> | null {
  if (before === null || after === null) return null;
  if (before.value(STARTED) !== after.value(STARTED)) return null;
  const at = before.histogram(name);
  const counts = [...after.histogram(name)].map(
    ([bound, count]) => [String(bound), count - (at.get(bound) ?? 0)] as const,
  );
  return counts.some(([, count]) => count < 0) ? null : Object.fromEntries(counts);
}
