/**
 * Between which recorded values a quantile lies with 95 % confidence, whatever the distribution: the ranks a binomial
 * count would take, in its normal approximation (Conover, Practical Nonparametric Statistics, 3.2). It holds for
 * independent values. One stall delays many requests in a row, so the truth is at least as wide.
 */
export const QUANTILE = { p50: 0.5, p95: 0.95, p99: 0.99, p999: 0.999 } as const;

/** The lower and the upper bound of each quantile, in the unit of the values. */
export type QuantileBounds = Readonly<
  Record<keyof typeof QUANTILE, readonly [lower: number, upper: number]>
>;

const DEVIATIONS = 1.96;

/** Undefined without values. */
export function quantileBounds(values: readonly number[]): QuantileBounds | undefined {
  if (values.length === 0) return undefined;
  const sorted = Float64Array.from(values).sort();
  const at = (rank: number) => sorted[Math.min(sorted.length, Math.max(1, rank)) - 1]!;
  const of = (quantile: number): [number, number] => {
    const mean = sorted.length * quantile;
    const deviation = DEVIATIONS * Math.sqrt(mean * (1 - quantile));
    return [at(Math.floor(mean - deviation)), at(Math.ceil(mean + deviation) + 1)];
  };
  const { p50, p95, p99, p999 } = QUANTILE;
  return { p50: of(p50), p95: of(p95), p99: of(p99), p999: of(p999) };
}
