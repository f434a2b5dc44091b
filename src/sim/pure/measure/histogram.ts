/**
 * Latency histogram in constant memory: HDR buckets of 1 us to 10 min with 3 significant digits, so a
 * quantile is within 0.1 % (or 1 us) of the exact one and parts merge into the whole. Mean and maximum are
 * exact. A quantile is the smallest recorded value with at least that share of all values at or below it.
 */
import { build, type Histogram as HdrHistogram } from 'hdr-histogram-js';
import type { LatencySummary } from '../../result.ts';

const HIGHEST_US = 600_000_000;

export interface SpectrumPoint {
  readonly quantile: number;
  readonly valueUs: number;
}

export class LatencyHistogram {
  readonly #buckets: HdrHistogram;
  #count = 0;
  #sumUs = 0;
  #maxUs = 0;

  constructor(significantDigits: 2 | 3 = 3) {
    this.#buckets = build({
      bitBucketSize: 32,
      lowestDiscernibleValue: 1,
      highestTrackableValue: HIGHEST_US,
      numberOfSignificantValueDigits: significantDigits,
      autoResize: false,
      useWebAssembly: false,
    });
  }

  get count(): number {
    return this.#count;
  }

  /** Values beyond 10 min keep their true maximum and mean; their quantile is capped. */
  record(valueUs: number): void {
    if (!(valueUs >= 0)) throw new RangeError(`latency must not be negative, got ${valueUs} us`);
    const us = Math.round(valueUs);
    this.#buckets.recordValue(Math.min(us, HIGHEST_US));
    this.#count += 1;
    this.#sumUs += us;
    if (us > this.#maxUs) this.#maxUs = us;
  }

  /** Null when nothing was recorded: no data is not a latency of zero. */
  quantile(quantile: number): number | null {
    if (!(quantile >= 0 && quantile <= 1)) throw new RangeError(`not a quantile: ${quantile}`);
    if (this.#count === 0) return null;
    // The library rounds to the nearest rank; asking for the exact rank makes it "at least this share".
    const rank = Math.max(1, Math.ceil(quantile * this.#count - 1e-9));
    if (rank === this.#count) return this.#maxUs;
    return Math.min(this.#buckets.getValueAtPercentile((100 * rank) / this.#count), this.#maxUs);
  }

  merge(other: LatencyHistogram): void {
    this.#buckets.add(other.#buckets);
    this.#count += other.#count;
    this.#sumUs += other.#sumUs;
    this.#maxUs = Math.max(this.#maxUs, other.#maxUs);
  }

  reset(): void {
    this.#buckets.reset();
    this.#count = 0;
    this.#sumUs = 0;
    this.#maxUs = 0;
  }

  /** All zero when empty; `count` says so. */
  summary(): LatencySummary {
    return {
      meanUs: this.#count === 0 ? 0 : Math.round(this.#sumUs / this.#count),
      p50Us: this.quantile(0.5) ?? 0,
      p95Us: this.quantile(0.95) ?? 0,
      p99Us: this.quantile(0.99) ?? 0,
      p999Us: this.quantile(0.999) ?? 0,
      maxUs: this.#maxUs,
      count: this.#count,
    };
  }

  /** Denser towards the tail: `ticksPerHalf` points in every halving of 1 - quantile, and the maximum at 1. */
  spectrum(ticksPerHalf = 5): SpectrumPoint[] {
    const points: SpectrumPoint[] = [];
    if (this.#count === 0) return points;
    for (let half = 1; half >= 1 / this.#count; half /= 2) {
      for (let tick = 0; tick < ticksPerHalf; tick += 1) {
        const quantile = 1 - half + (half / 2) * (tick / ticksPerHalf);
        points.push({ quantile, valueUs: this.quantile(quantile) ?? 0 });
      }
    }
    points.push({ quantile: 1, valueUs: this.#maxUs });
    return points;
  }
}

export function summarize(latenciesUs: Iterable<number>): LatencySummary {
  const histogram = new LatencyHistogram();
  for (const latencyUs of latenciesUs) histogram.record(latencyUs);
  return histogram.summary();
}
