/**
 * SLOs in k6's grammar: `latency.p99 < 500ms`, `latency.mean <= 200ms`, `errors < 0.1%`. Two forms more:
 * `latency.p99 <= 1.2x` is relative to a baseline phase, `cost.statements <= 0.1` is counted work per operation.
 * Parsing fails before a run, never during one. A percentile is judged only on enough samples for a
 * distribution-free 95 % bound (n >= ln 0.05 / ln q: 299 for p99, 2,995 for p99.9); no data never passes.
 */
import type { Figure, LatencySummary, SloResult } from '../result.ts';

type Comparison = '<' | '<=' | '>' | '>=';

export interface ParsedSlo {
  readonly indicator: 'mean' | 'p50' | 'p95' | 'p99' | 'p999' | 'max' | 'errors' | 'cost';
  readonly comparison: Comparison;
  /** Microseconds for latencies, a ratio for errors and relative latencies, units per operation for costs. */
  readonly limit: number;
  /** Against the baseline's value of the same indicator. */
  readonly relative: boolean;
  /** Id of the cost; empty for the others. */
  readonly cost: string;
}

export interface SloData {
  readonly latency: LatencySummary;
  readonly errors: { readonly failed: number; readonly total: number };
  /** What a relative objective is measured against. */
  readonly baseline?: LatencySummary;
  /** First against second half of the baseline, in time: what the machine does by itself. */
  readonly halves?: readonly [LatencySummary, LatencySummary];
  readonly costs?: readonly Figure[];
}

const GRAMMAR =
  /^(?:latency\.(?<latency>mean|p50|p95|p99|p999|max)|(?<errors>errors)|cost\.(?<cost>[a-z][a-zA-Z]*))\s*(?<comparison><=|<|>=|>)\s*(?<value>\d+(?:\.\d+)?)\s*(?<unit>us|ms|s|x|%|)$/;
const UNIT_US = { us: 1, ms: 1_000, s: 1_000_000, x: 1 } as const;
const QUANTILE = { p50: 0.5, p95: 0.95, p99: 0.99, p999: 0.999 } as const;

/** @throws RangeError naming the objective when it is not in the grammar. */
export function parseSlo(objective: string): ParsedSlo {
  const parts = GRAMMAR.exec(objective.trim())?.groups as Partial<Parts> | undefined;
  const slo = parts && fromParts(parts as Parts);
  if (slo) return slo;
  throw new RangeError(
    `SLO not understood: "${objective}". Write it as latency.p99 < 500ms, errors < 0.1%, latency.p99 <= 1.2x or cost.statements <= 0.1`,
  );
}

interface Parts {
  readonly latency: string | undefined;
  readonly errors: string | undefined;
  readonly cost: string | undefined;
  readonly comparison: Comparison;
  readonly value: string;
  readonly unit: string;
}

/** Undefined when the unit does not belong to the indicator. */
function fromParts({
  latency,
  errors,
  cost,
  comparison,
  value,
  unit,
}: Parts): ParsedSlo | undefined {
  const limit = Number(value);
  if (latency !== undefined && unit in UNIT_US) {
    const indicator = latency as ParsedSlo['indicator'];
    const limitUs = limit * UNIT_US[unit as keyof typeof UNIT_US];
    return { indicator, comparison, limit: limitUs, relative: unit === 'x', cost: '' };
  }
  if (errors !== undefined && unit === '%') {
    return { indicator: 'errors', comparison, limit: limit / 100, relative: false, cost: '' };
  }
  if (cost !== undefined && unit === '') {
    return { indicator: 'cost', comparison, limit, relative: false, cost };
  }
  return undefined;
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
  return indicator !== 'errors' && indicator !== 'cost';
}

export function evaluateSlo(id: string, objective: string, data: SloData): SloResult {
  const slo = parseSlo(objective);
  const samples = slo.indicator === 'errors' ? data.errors.total : data.latency.count;
  const measured = samples === 0 ? null : measure(slo, data);
  const holds = measured !== null && compare(measured, slo.comparison, slo.limit);
  const common = { id, objective, measured, limit: slo.limit, unit: unitOf(slo), samples };
  const needed = samplesNeeded(slo);
  if (measured === null)
    return { ...common, verdict: 'unknown', reason: 'no operation was measured' };
  const fewest = slo.relative ? Math.min(samples, data.baseline?.count ?? 0) : samples;
  if (fewest < needed && !provenBroken(slo, data)) {
    return { ...common, verdict: 'unknown', reason: `${fewest} samples, ${needed} needed` };
  }
  const noise = slo.relative && !holds ? noiseOf(slo, data) : 0;
  if (noise > slo.limit) {
    const reason = `the baseline alone varied by ${noise.toFixed(1)} times: this machine cannot tell`;
    return { ...common, verdict: 'unknown', reason };
  }
  return { ...common, verdict: holds ? 'pass' : 'fail' };
}

/** How many times the indicator differs between the halves of the baseline. */
function noiseOf(slo: ParsedSlo, data: SloData): number {
  if (data.halves === undefined || slo.indicator === 'cost') return 1;
  const { indicator } = slo;
  const [a, b] = data.halves.map((latency) => indicatorValue(indicator, { ...data, latency }));
  if (a === undefined || b === undefined || Math.min(a, b) === 0) return 1;
  return Math.max(a, b) / Math.min(a, b);
}

function unitOf({ indicator, relative }: ParsedSlo): SloResult['unit'] {
  if (relative) return 'times';
  if (indicator === 'cost') return 'count';
  return indicator === 'errors' ? 'ratio' : 'us';
}

function measure(slo: ParsedSlo, data: SloData): number | null {
  if (slo.indicator === 'cost') {
    return data.costs?.find((cost) => cost.id === slo.cost)?.value ?? null;
  }
  const value = indicatorValue(slo.indicator, data);
  if (!slo.relative) return value;
  const { baseline } = data;
  if (baseline === undefined || baseline.count === 0) return null;
  const base = indicatorValue(slo.indicator, { ...data, latency: baseline });
  return base === 0 ? null : value / base;
}

/** More errors than the limit allows among even the needed number of samples: more data cannot help. */
function provenBroken(slo: ParsedSlo, data: SloData): boolean {
  return slo.indicator === 'errors' && data.errors.failed > slo.limit * samplesNeeded(slo);
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
