/**
 * How late the event loop runs: the lateness of a timer of 10 ms, as a histogram, of which a reader takes the difference
 * between two readings, and as the p99 of the last minute. prom-client's own gauges are reset by every reading, so that
 * two readers disturb each other; they are removed.
 */
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';
import { createHistogram } from './histogram.ts';
import { createRecentCounts } from './recent-counts.ts';

const RESOLUTION_MS = 10;
const boundsSeconds = [
  0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.35, 0.5, 1, 2.5, 5,
  10, 30,
];

export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray())
    if (name.startsWith('nodejs_eventloop_lag')) registry.removeSingleMetric(name);
}

/** Returns how to end it. */
export function observeEventLoopDelay(
  registry: Registry,
  { histogram, gauge }: { readonly histogram: string; readonly gauge: string },
): () => void {
  const series = createHistogram(registry, {
    name: histogram,
    help: 'How late the event loop was',
    bounds: boundsSeconds,
  })({});
  const monotonicMs = () => performance.now();
  const recent = createRecentCounts(boundsSeconds.length + 1, monotonicMs);
  let dueMs = monotonicMs() + RESOLUTION_MS;
  const timer = setInterval(() => {
    const nowMs = monotonicMs();
    const lateSeconds = Math.max(0, nowMs - dueMs) / 1_000;
    dueMs = nowMs + RESOLUTION_MS;
    series.observe(lateSeconds);
    const bucket = boundsSeconds.findIndex((bound) => lateSeconds <= bound);
    recent.add(bucket < 0 ? boundsSeconds.length : bucket);
  }, RESOLUTION_MS);
  timer.unref();
  new Gauge({
    name: gauge,
    help: 'p99 of how late the event loop was in the last minute, rounded up to a bound of the histogram',
    registers: [registry],
    collect() {
      this.set(p99Of(recent.sums()));
    },
  });
  return () => clearInterval(timer);
}

function p99Of(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let cumulated = 0;
  const bucket = counts.findIndex((count) => {
    cumulated += count;
    return cumulated >= 0.99 * total;
  });
  return total === 0 ? 0 : (boundsSeconds[bucket] ?? boundsSeconds.at(-1)!);
}
