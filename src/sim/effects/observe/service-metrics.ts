/** Histograms of the service's processes, read before and after a phase, as records of the history. */
import type { MetricRecord } from '../../history.ts';
import type { LoadTarget, Testbed } from '../testbed/testbed.ts';
import { type MetricsSnapshot, scrape } from './prometheus.ts';

/** Start time of the process, a standard metric of Prometheus clients: it tells a restart. */
const START_TIME = 'process_start_time_seconds';

/** By process; null: no answer. */
export type MetricsReading = ReadonlyMap<string, MetricsSnapshot | null>;

/** Of the targets of operations: past a fault proxy, and where their /metrics is. */
export function metricsSourcesOf({
  targets,
  nodes,
}: Pick<Testbed, 'targets' | 'nodes'>): readonly LoadTarget[] {
  const members = [...nodes.values()].flatMap((node) => node.members);
  return targets.map(({ name, url }) => ({
    name,
    url: members.find((member) => member.name === name)?.metricsUrl?.() ?? url,
  }));
}

/** Never rejects. */
export async function readMetrics(
  services: readonly LoadTarget[],
  limitMs?: number,
): Promise<MetricsReading> {
  const read = services.map(
    async ({ name, url }) => [name, await scrape(url, limitMs).catch(() => null)] as const,
  );
  return new Map(await Promise.all(read));
}

/** False when it was replaced between the two readings. */
export function isSameProcess(before: MetricsSnapshot, after: MetricsSnapshot): boolean {
  return before.value(START_TIME) === after.value(START_TIME);
}

export function metricIncreases(
  { phase, metrics }: { readonly phase: string; readonly metrics: readonly string[] },
  from: MetricsReading,
  to: MetricsReading,
): MetricRecord[] {
  return [...from].flatMap(([process, before]) =>
    metrics.map((name): MetricRecord => {
      const counts = bucketIncreases(name, before, to.get(process) ?? null);
      return { kind: 'metric', name, phase, process, ...(counts && { counts }) };
    }),
  );
}

function bucketIncreases(
  name: string,
  before: MetricsSnapshot | null,
  after: MetricsSnapshot | null,
): Record<string, number> | null {
  if (before === null || after === null) return null;
  if (!isSameProcess(before, after)) return null;
  const earlier = before.histogram(name);
  const counts = [...after.histogram(name)].map(
    ([bound, count]) => [String(bound), count - (earlier.get(bound) ?? 0)] as const,
  );
  return counts.some(([, count]) => count < 0) ? null : Object.fromEntries(counts);
}
