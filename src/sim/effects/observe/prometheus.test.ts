import { describe, expect, it } from 'vitest';
import { parseMetrics, quantileBetween } from './prometheus.ts';

const TEXT = `# HELP wait_seconds Wait
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 10
wait_seconds_bucket{le="1"} 90
wait_seconds_bucket{le="+Inf"} 100
wait_seconds_count 100
# TYPE depth gauge
depth{shard="a"} 2
depth{shard="b"} 3
lag_seconds 1.5e-2
`;

describe('parseMetrics', () => {
  it('sums a gauge over its labels and reads every number form', () => {
    const metrics = parseMetrics(TEXT);
    expect(metrics.value('depth')).toBe(5);
    expect(metrics.value('lag_seconds')).toBe(0.015);
    expect(metrics.value('absent')).toBeNull();
  });
});

describe('a reading of /metrics', () => {
  const metrics = parseMetrics(TEXT);

  it('selects series by their labels', () => {
    expect(metrics.value('depth{shard="b"}')).toBe(3);
    expect(metrics.value('depth{shard="c"}')).toBeNull();
    expect(metrics.value('absent{shard="b"}')).toBeNull();
  });

  it('lists gauges only', () => {
    expect(metrics.gauges()).toEqual({ 'depth{shard="a"}': 2, 'depth{shard="b"}': 3 });
  });
});

describe('quantileBetween', () => {
  const now = parseMetrics(TEXT).histogram('wait_seconds');

  it('interpolates inside the bucket, as histogram_quantile does', () => {
    // Rank 50 is halfway through the 80 of the bucket 0.1 to 1 s.
    expect(quantileBetween(new Map(), now, 0.5)).toBe(550_000);
    expect(quantileBetween(new Map(), now, 0.99)).toBe(1_000_000); // open bucket: its lower bound
  });

  it('is null when nothing was gained', () => {
    expect(quantileBetween(now, now, 0.99)).toBeNull();
    expect(quantileBetween(new Map(), new Map(), 0.99)).toBeNull();
  });
});
