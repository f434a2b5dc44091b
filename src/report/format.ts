/**
 * Formats numbers, the same in every report format. The result stores microseconds and ratios. No locale, so that the
 * same value gives the same bytes on every machine.
 */
import { minimumSamplesOf } from '../sim/pure/measure/minimum-samples.ts';
import type { Unit } from '../sim/result.ts';

/** Shown for a missing value. */
export const NO_VALUE = '-';

/** Two to three significant digits: `850 µs`, `6.0 ms`, `850 ms`, `4.2 s`, `2 min 05 s`. */
export function formatDuration(us: number | null): string {
  if (us === null || !Number.isFinite(us)) return NO_VALUE;
  if (us < 0) return `-${formatDuration(-us)}`;
  if (us === 0) return '0 s';
  if (us < 999.5) return `${Math.round(us)} µs`;
  if (us < 9_950) return `${(us / 1_000).toFixed(1)} ms`;
  if (us < 999_500) return `${Math.round(us / 1_000)} ms`;
  if (us < 119_950_000) return `${(us / 1_000_000).toFixed(1)} s`;
  const seconds = Math.round(us / 1_000_000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** A point on the time axis: `0 s`, `15 s`, `7.5 s`. */
export function formatOffset(us: number): string {
  return `${trimZeros(us / 1_000_000, 1)} s`;
}

/** Thousands in groups: `1,234,567`. */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return NO_VALUE;
  const digits = String(Math.abs(Math.round(value)));
  const grouped = digits.replace(/\B(?=(\d{3})+$)/g, ',');
  return value < -0.5 ? `-${grouped}` : grouped;
}

/** `9.4/s`, `2,600/s`. */
export function formatRate(perSecond: number | null): string {
  if (perSecond === null || !Number.isFinite(perSecond)) return NO_VALUE;
  return `${perSecond < 99.95 ? trimZeros(perSecond, 1) : formatCount(perSecond)}/s`;
}

/** `92.4 %`; small values keep two significant digits, so that 0.02 % is not 0 %. */
export function formatPercent(percent: number | null): string {
  if (percent === null || !Number.isFinite(percent)) return NO_VALUE;
  const size = Math.abs(percent);
  if (size !== 0 && size < 0.001) return '< 0.001 %';
  const digits = size < 0.1 ? 3 : size < 1 ? 2 : 1;
  return `${trimZeros(percent, digits)} %`;
}

export function formatRatio(ratio: number | null): string {
  return formatPercent(ratio === null ? null : ratio * 100);
}

/** Binary units: `187 MiB`. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return NO_VALUE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : formatCount(value)} ${units[unit]}`;
}

/** `275 times`, `1.4 times`. */
export function formatTimes(factor: number): string {
  return `${factor < 9.95 ? trimZeros(factor, 1) : formatCount(factor)} times`;
}

/** A measured value or a limit in the unit of its SLO. */
export function formatMeasure(value: number | null, unit: Unit): string {
  if (value === null) return 'no data';
  switch (unit) {
    case 'us':
      return formatDuration(value);
    case 'ratio':
      return formatRatio(value);
    case 'percent':
      return formatPercent(value);
    case 'per_second':
      return formatRate(value);
    case 'times':
      return `${trimZeros(value, 2)} times`;
    case 'bytes':
      return formatBytes(value);
    case 'count':
      return formatAmount(value);
    default:
      return unit satisfies never;
  }
}

/** A count or a mean of counts; small ones keep the digits that tell them from zero. */
function formatAmount(value: number): string {
  if (Number.isInteger(value) || value >= 100) return formatCount(value);
  if (value > 0 && value < 0.001) return '< 0.001';
  return trimZeros(value, value < 0.1 ? 3 : 2);
}

/** The ratio of a value to a base: `0.02 times`. Null if either is missing or the base is zero. */
export function formatRelative(value: number | null, base: number | null): string | null {
  if (value === null || base === null || base === 0) return null;
  const factor = value / base;
  if (!Number.isFinite(factor)) return null;
  if (factor > 0 && factor < 0.005) return '< 0.01 times';
  return factor < 9.95 ? `${trimZeros(factor, 2)} times` : formatTimes(factor);
}

/** A percentile, or `n too small`. */
export function formatPercentile(valueUs: number, quantile: number, samples: number): string {
  if (samples === 0) return 'no data';
  return samples < minimumSamplesOf(quantile) ? 'n too small' : formatDuration(valueUs);
}

/** `2026-05-04 09:12:33 UTC` of an ISO instant; anything else is returned as it is. */
export function formatInstant(iso: string): string {
  const match = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:\.\d+)?Z$/.exec(iso);
  return match ? `${match[1]} ${match[2]} UTC` : iso;
}

/** Replaces what a terminal or XML would interpret: control characters except line feed and tab, lone surrogates. */
export function replaceUnprintable(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[^\t\n\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

/** `replaceUnprintable` on one line. */
export function oneLine(text: string): string {
  return replaceUnprintable(text).replace(/\s+/g, ' ').trim();
}

/** Starts with a capital and ends with a full stop. */
export function toSentence(text: string): string {
  const line = capitalize(oneLine(text));
  return line === '' || /[.!?]$/.test(line) ? line : `${line}.`;
}

export function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Puts a no-break space between a number and its unit. */
export function bindUnits(text: string): string {
  return text.replace(/(\d) (?=(?:µs|ms|s|min|%|times|[KMGT]iB)(?![\w]))/g, '$1\u00a0');
}

function trimZeros(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
