/**
 * SLOs in k6's grammar: `latency.p99 < 500ms`, `latency.mean <= 200ms`, `errors < 0.1%`.
 * Parsing fails before a run, never during one. A percentile is judged only on enough samples for a
 * distribution-free 95 % bound (n >= ln 0.05 / ln q: 299 for p99, 2,995 for p99.9); no data never passes.
 */
import type { LatencySummary, SloResult } from '../result.ts';

type Comparison = '<' | '<=' | '>' | '>=';

export interface ParsedSlo {
  readonly indicator: 'mean' | 'p50' | 'p95' | 'p99' | 'p999' | 'max' | 'errors';
  readonly comparison: Comparison;
  /** Microseconds for latencies, a ratio for errors. */
  readonly limit: number;
}

export interface SloData {
  readonly latency: LatencySummary;
  readonly errors: { readonly failed: number; readonly total: number };
}

const GRAMMAR =
  /^(?:latency\.(mean|p50|p95|p99|p999|max)\s*(<=|<|>=|>)\s*(\d+(?:\.\d+)?)\s*(us|ms|s)|errors\s*(<=|<|>=|>)\s*(\d+(?:\.\d+)?)\s*%)$/;
const UNIT_US = { us: 1, ms: 1_000, s: 1_000_000 } as const;
const QUANTILE = { p50: 0.5, p95: 0.95, p99: 0.99, p999: 0.999 } as const;

/** @throws RangeError naming the objective when it is not in the grammar. */
export function parseSlo(objective: string): ParsedSlo {
  const match = GRAMMAR.exec(objective.trim());
  if (match === null) {
    throw new RangeError(
      `SLO not understood: "${objective}". Write it as latency.p99 < 500ms or errors < 0.1%`,
    );
  }
  const [, aggregate, comparison, value, unit, errorComparison, percent] = match;
  if (aggregate !== undefined) {
    return {
      indicator: aggregate as ParsedSlo['indicator'],
      comparison: comparison as Comparison,
      limit: Number(value) * UNIT_US[unit as keyof typeof UNIT_US],
    };
  }
  return {
    indicator: 'errors',
    comparison: errorComparison as Comparison,
    limit: Number(percent) / 100,
  };
}

/** Samples below which a value says nothing about the quantile. */
export function samplesNeeded(slo: ParsedSlo): number {
  if (slo.indicator in QUANTILE) {
    const quantile = QUANTILE[slo.indicator as keyof typeof QUANTILE];
    return Math.ceil(Math.log(0.05) / Math.log(quantile));
  }
  // For a ratio: with no error at all, n samples bound it below the limit (95 %) when (1 - limit)^n <= 0.05.
  if (slo.indicator === 'errors') return Math.ceil(Math.log(0.05) / Math.log(1 - slo.limit));
  return slo.indicator === 'mean' ? 30 : 1;
}

/** Samples of one phase without which some latency SLO could only be unknown. */
export function latencySamplesNeeded(slos: readonly { readonly objective: string }[]): number {
  const latencies = slos.map(({ objective }) => parseSlo(objective)).filter(isLatency);
  return Math.max(0, ...latencies.map(samplesNeeded));
}

function isLatency({ indicator }: ParsedSlo): boolean {
  return indicator !== 'errors';
}

export function evaluateSlo(id: string, objective: string, data: SloData): SloResult {
  const slo = parseSlo(objective);
  const isRatio = slo.indicator === 'errors';
  const samples = isRatio ? data.errors.total : data.latency.count;
  const measured = samples === 0 ? null : indicatorValue(slo.indicator, data);
  const holds = measured !== null && compare(measured, slo.comparison, slo.limit);
  const common = {
    id,
    objective,
    measured,
    limit: slo.limit,
    unit: isRatio ? ('ratio' as const) : ('us' as const),
    samples,
  };
  const needed = samplesNeeded(slo);
  if (measured === null)
    return { ...common, verdict: 'unknown', reason: 'no operation was measured' };
  if (samples < needed && !provenBroken(slo, data)) {
    return { ...common, verdict: 'unknown', reason: `${samples} samples, ${needed} needed` };
  }
  return { ...common, verdict: holds ? 'pass' : 'fail' };
}

/** More errors than the limit allows among even the needed number of samples: more data cannot help. */
function provenBroken(slo: ParsedSlo, data: SloData): boolean {
  return slo.indicator === 'errors' && data.errors.failed > slo.limit * samplesNeeded(slo);
}

function indicatorValue(indicator: ParsedSlo['indicator'], data: SloData): number {
  switch (indicator) {
    case 'mean':
      return data.latency.meanUs;
    case 'p50':
      return data.latency.p50Us;
    case 'p95':
      return data.latency.p95Us;
    case 'p99':
      return data.latency.p99Us;
    case 'p999':
      return data.latency.p999Us;
    case 'max':
      return data.latency.maxUs;
    case 'errors':
      return data.errors.failed / data.errors.total;
    default:
      return indicator satisfies never;
  }
}

function compare(measured: number, comparison: Comparison, limit: number): boolean {
  switch (comparison) {
    case '<':
      return measured < limit;
    case '<=':
      return measured <= limit;
    case '>':
      return measured > limit;
    case '>=':
      return measured >= limit;
    default:
      return comparison satisfies never;
  }
}
