/**
 * SLOs in k6's grammar: `latency.p99 < 500ms`, `latency.mean <= 200ms`, `errors < 0.1%`. Additional forms:
 *
 *   latency.p99 <= 1.2x             relative to the baseline phase
 *   latency.p50 < 3x before         relative to an arm that ran earlier
 *   latency.p50 < before + 10ms     at most this much above an arm that ran earlier
 *   cost.statements <= 0.1          counted work per operation
 *   metric.wait_seconds.p99 < 10ms  a histogram of the service, read from its /metrics
 *
 * Objectives are parsed before a run starts. A percentile is judged only on enough samples for a
 * distribution-free 95 % bound (n >= ln 0.05 / ln q: 299 for p99, 2,995 for p99.9); no data never passes.
 */
import type { ArmName, Figure, LatencySummary, SloResult } from '../../result.ts';
import { type MetricIncrease, quantileIn } from '../measure/metric-increase.ts';
import { minimumSamplesOf } from '../measure/minimum-samples.ts';
import { QUANTILE, type QuantileBounds } from '../measure/quantile-bounds.ts';

type Comparator = '<' | '<=' | '>' | '>=';
/** An arm that later arms can be compared with. */
export type ReferenceArm = Exclude<ArmName, 'after'>;

export interface ParsedSlo {
  readonly indicator: 'mean' | 'p50' | 'p95' | 'p99' | 'p999' | 'max' | 'errors' | 'cost';
  readonly comparator: Comparator;
  /** Microseconds for latencies and what is added to one, a ratio for errors and `times`, units per operation for costs. */
  readonly limit: number;
  /** Comparison with the reference's value of the same indicator; null: absolute. */
  readonly relative: 'times' | 'added' | null;
  /** The arm that is the reference; null: the baseline phase. */
  readonly arm: ReferenceArm | null;
  /** Id of the cost; empty for the others. */
  readonly cost: string;
  /** Name of the service's histogram; empty: the response times of the load. */
  readonly metric: string;
}

/** Reference of a relative objective. */
export interface SloReference {
  readonly latency: LatencySummary;
  readonly bounds?: QuantileBounds | undefined;
  /** First and second half in time: their difference is the machine's noise. */
  readonly halves: readonly [LatencySummary, LatencySummary];
}

export interface SloData {
  readonly latency: LatencySummary;
  /** Absent: sampling error is ignored. */
  readonly bounds?: QuantileBounds | undefined;
  /** `overloaded`: failures that are timeouts or 503s; default 0. */
  readonly errors: {
    readonly failed: number;
    readonly total: number;
    readonly overloaded?: number;
  };
  readonly reference?: SloReference;
  readonly costs?: readonly Figure[];
  readonly metric?: MetricIncrease;
}

const GRAMMAR =
  /^(?:latency\.(?<latency>mean|p50|p95|p99|p999|max)|(?<errors>errors)|cost\.(?<cost>[a-z][a-zA-Z]*)|metric\.(?<metric>[a-z][a-z0-9_]*)\.(?<quantile>p50|p95|p99|p999))\s*(?<comparator><=|<|>=|>)\s*(?:(?<base>before|sample)\s*\+\s*)?(?<value>\d+(?:\.\d+)?)\s*(?<unit>us|ms|s|x|%|)(?:\s+(?<arm>before|sample))?$/;
const UNIT_US = { us: 1, ms: 1_000, s: 1_000_000 } as const;

/** @throws RangeError naming the objective when it is not in the grammar. */
export function parseSlo(objective: string): ParsedSlo {
  const parts = GRAMMAR.exec(objective.trim())?.groups as Parts | undefined;
  const slo = parts && buildSlo(parts);
  if (slo) return slo;
  throw new RangeError(
    `SLO not understood: "${objective}". Write it as latency.p99 < 500ms, errors < 0.1%, latency.p99 <= 1.2x, latency.p50 < 3x before, latency.p50 < before + 10ms, cost.statements <= 0.1 or metric.wait_seconds.p99 < 10ms`,
  );
}

type Named = 'latency' | 'errors' | 'cost' | 'metric' | 'quantile' | 'base' | 'arm';
type Parts = { readonly [Part in Named]: string | undefined } & {
  readonly comparator: Comparator;
  readonly value: string;
  readonly unit: string;
};

/** Undefined when the unit or the reference does not fit the indicator. */
function buildSlo(parts: Parts): ParsedSlo | undefined {
  const { latency, errors, cost = '', metric = '', quantile, comparator, base, arm, unit } = parts;
  const value = Number(parts.value);
  const alone = { comparator, limit: value, relative: null, arm: null, cost, metric };
  const isTime = unit in UNIT_US;
  const limit = isTime ? value * UNIT_US[unit as keyof typeof UNIT_US] : value;
  if (latency !== undefined) {
    const indicator = latency as ParsedSlo['indicator'];
    if (unit === 'x' && base === undefined)
      return { ...alone, indicator, relative: 'times', arm: (arm as ReferenceArm) ?? null };
    if (!isTime || arm !== undefined) return undefined;
    if (base === undefined) return { ...alone, indicator, limit };
    return { ...alone, indicator, limit, relative: 'added', arm: base as ReferenceArm };
  }
  if (base !== undefined || arm !== undefined) return undefined;
  if (errors !== undefined && unit === '%')
    return { ...alone, indicator: 'errors', limit: value / 100 };
  if (cost !== '' && unit === '') return { ...alone, indicator: 'cost' };
  if (metric !== '' && isTime)
    return { ...alone, indicator: quantile as ParsedSlo['indicator'], limit };
  return undefined;
}

/** Whether response times and errors of any load suffice to judge it. */
export function isLoadOnly(slo: ParsedSlo): boolean {
  return slo.indicator !== 'cost' && slo.metric === '' && slo.relative === null;
}

/** Fewer samples leave the verdict unknown. */
export function minimumSamples(slo: ParsedSlo): number {
  if (slo.indicator in QUANTILE) {
    return minimumSamplesOf(QUANTILE[slo.indicator as keyof typeof QUANTILE]);
  }
  // For a ratio: with no error at all, n samples bound it below the limit (95 %) when (1 - limit)^n <= 0.05.
  if (slo.indicator === 'errors') return minimumSamplesOf(1 - slo.limit);
  return slo.indicator === 'mean' ? 30 : 1;
}

/** Samples that one phase needs for its latency SLOs. */
export function latencyMinimumSamples(slos: readonly { readonly objective: string }[]): number {
  const latencies = slos.map(({ objective }) => parseSlo(objective)).filter(isLatency);
  return Math.max(0, ...latencies.map(minimumSamples));
}

/** Operations that the error SLOs need. */
export function errorMinimumSamples(slos: readonly { readonly objective: string }[]): number {
  const errors = slos
    .map(({ objective }) => parseSlo(objective))
    .filter(({ indicator }) => indicator === 'errors');
  return Math.max(0, ...errors.map(minimumSamples));
}

function isLatency({ indicator, metric }: ParsedSlo): boolean {
  return indicator !== 'errors' && indicator !== 'cost' && metric === '';
}

export function evaluateSlo(id: string, objective: string, data: SloData): SloResult {
  const slo = parseSlo(objective);
  if (slo.metric !== '') return evaluateMetric(id, objective, slo, data.metric);
  const samples = slo.indicator === 'errors' ? data.errors.total : data.latency.count;
  const measured = samples === 0 ? null : measure(slo, data);
  const holds = measured !== null && compareWithLimit(measured, slo);
  const common = { id, objective, measured, limit: slo.limit, unit: unitOf(slo), samples };
  const minimum = minimumSamples(slo);
  if (measured === null)
    return { ...common, verdict: 'unknown', reason: 'no operation was measured' };
  const smallestSample = slo.relative
    ? Math.min(samples, data.reference?.latency.count ?? 0)
    : samples;
  if (smallestSample < minimum && !isProvenBroken(slo, data)) {
    return {
      ...common,
      verdict: 'unknown',
      reason: `${smallestSample} samples, ${minimum} needed`,
    };
  }
  const noise = slo.relative && !holds ? referenceNoise(slo, data) : null;
  if (noise !== null && noise > slo.limit) {
    const varied =
      slo.relative === 'times' ? `${noise.toFixed(1)} times` : `${(noise / 1_000).toFixed(1)} ms`;
    const reason = `${slo.arm ?? 'the baseline'} alone varied by ${varied}: this machine cannot tell`;
    return { ...common, verdict: 'unknown', reason };
  }
  const samplingError = holds ? null : describeSamplingError(slo, data);
  if (samplingError !== null) return { ...common, verdict: 'unknown', reason: samplingError };
  if (holds) return { ...common, verdict: 'pass' };
  const { failed, overloaded = 0, total } = data.errors;
  return slo.indicator === 'errors' && overloaded > 0
    ? { ...common, verdict: 'fail', withoutOverload: (failed - overloaded) / total }
    : { ...common, verdict: 'fail' };
}

/** Text of the confidence interval when a missed quantile may still be within its limit; null when it cannot. */
function describeSamplingError(
  { indicator, comparator, limit, relative }: ParsedSlo,
  data: SloData,
) {
  if (!(indicator in QUANTILE)) return null;
  const quantile = indicator as keyof typeof QUANTILE;
  const bounds = data.bounds?.[quantile];
  const base = relative === null ? undefined : data.reference?.bounds?.[quantile];
  if (bounds === undefined || (relative !== null && base === undefined)) return null;
  const [best, worstBase] = comparator.startsWith('>')
    ? [bounds[1], base?.[0] ?? 0]
    : [bounds[0], base?.[1] ?? 0];
  const value = relative === 'times' ? best / worstBase : best - worstBase;
  if (!compareWithLimit(value, { comparator, limit })) return null;
  const between = ([low, high]: readonly [number, number]) =>
    `${(low / 1_000).toFixed(1)} to ${(high / 1_000).toFixed(1)} ms`;
  const against = base === undefined ? '' : `, against ${between(base)}`;
  return `${quantile} of ${data.latency.count} samples is ${between(bounds)}${against}: too few to tell`;
}

/** A histogram only gives the bucket of a quantile; with the limit inside that bucket the verdict is unknown. */
function evaluateMetric(
  id: string,
  objective: string,
  slo: ParsedSlo,
  gain: MetricIncrease | undefined,
): SloResult {
  const { limit, comparator } = slo;
  const samples = gain?.buckets.at(-1)?.[1] ?? 0;
  const found = quantileIn(gain?.buckets ?? [], QUANTILE[slo.indicator as keyof typeof QUANTILE]);
  const measured = found === null ? null : Math.round(found.value);
  const common = { id, objective, measured, limit, unit: 'us', samples } as const;
  const unknown = (reason: string) => ({ ...common, verdict: 'unknown', reason }) as const;
  const gap = gain === undefined ? `${slo.metric} was not read` : gain.gap;
  if (gap !== null) return unknown(gap);
  if (found === null) return unknown(`nothing was measured by ${slo.metric}`);
  const minimum = minimumSamples(slo);
  if (samples < minimum) return unknown(`${samples} samples, ${minimum} needed`);
  const [isBelow, isAbove] = [found.upper <= limit, found.lower >= limit];
  if (!isBelow && !isAbove)
    return unknown(`its buckets only tell that it is over ${found.lower / 1_000} ms`);
  return { ...common, verdict: comparator.startsWith('<') === isBelow ? 'pass' : 'fail' };
}

/** How far the indicator differs between the halves of the reference, as the objective measures it. */
function referenceNoise({ indicator, relative }: ParsedSlo, data: SloData): number {
  const none = relative === 'times' ? 1 : 0;
  if (data.reference === undefined || indicator === 'cost') return none;
  const [a, b] = data.reference.halves.map((latency) =>
    indicatorValue(indicator, { ...data, latency }),
  );
  if (a === undefined || b === undefined) return none;
  if (relative === 'added') return Math.abs(a - b);
  return Math.min(a, b) === 0 ? none : Math.max(a, b) / Math.min(a, b);
}

function unitOf({ indicator, relative }: ParsedSlo): SloResult['unit'] {
  if (relative === 'times') return 'times';
  if (indicator === 'cost') return 'count';
  return indicator === 'errors' ? 'ratio' : 'us';
}

function measure(slo: ParsedSlo, data: SloData): number | null {
  if (slo.indicator === 'cost') {
    return data.costs?.find((cost) => cost.id === slo.cost)?.value ?? null;
  }
  const value = indicatorValue(slo.indicator, data);
  if (slo.relative === null) return value;
  const reference = data.reference?.latency;
  if (reference === undefined || reference.count === 0) return null;
  const base = indicatorValue(slo.indicator, { ...data, latency: reference });
  if (slo.relative === 'added') return value - base;
  return base === 0 ? null : value / base;
}

/** More errors than the limit allows in the minimum number of samples: more data cannot help. */
function isProvenBroken(slo: ParsedSlo, data: SloData): boolean {
  return slo.indicator === 'errors' && data.errors.failed > slo.limit * minimumSamples(slo);
}

function indicatorValue(indicator: Exclude<ParsedSlo['indicator'], 'cost'>, data: SloData): number {
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

export function compareWithLimit(
  measured: number,
  { comparator, limit }: Pick<ParsedSlo, 'comparator' | 'limit'>,
): boolean {
  switch (comparator) {
    case '<':
      return measured < limit;
    case '<=':
      return measured <= limit;
    case '>':
      return measured > limit;
    case '>=':
      return measured >= limit;
    default:
      return comparator satisfies never;
  }
}
