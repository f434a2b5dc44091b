/**
 * Numbers as a reader sees them, the same in every format. The result stores microseconds and ratios; only
 * here do they become text. No locale: the same value gives the same bytes on every machine.
 */
import type { Unit } from '../sim/result.ts';

/** Shown where there is no value. */
export const NO_VALUE = '-';

/** Two to three significant digits: `850 µs`, `6.0 ms`, `850 ms`, `4.2 s`, `2 min 05 s`. */
export function durationText(us: number | null): string {
  if (us === null || !Number.isFinite(us)) return NO_VALUE;
  if (us < 0) return `-${durationText(-us)}`;
  if (us === 0) return '0 s';
  if (us < 999.5) return `${Math.round(us)} µs`;
  if (us < 9_950) return `${(us / 1_000).toFixed(1)} ms`;
  if (us < 999_500) return `${Math.round(us / 1_000)} ms`;
  if (us < 119_950_000) return `${(us / 1_000_000).toFixed(1)} s`;
  const seconds = Math.round(us / 1_000_000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** A point on the time axis: `0 s`, `15 s`, `7.5 s`. */
export function instantOffsetText(us: number): string {
  return `${trimmed(us / 1_000_000, 1)} s`;
}

/** Thousands in groups: `1,234,567`. */
export function countText(value: number): string {
  if (!Number.isFinite(value)) return NO_VALUE;
  const digits = String(Math.abs(Math.round(value)));
  const grouped = digits.replace(/\B(?=(\d{3})+$)/g, ',');
  return value < -0.5 ? `-${grouped}` : grouped;
}

/** `9.4/s`, `2,600/s`. */
export function rateText(perSecond: number | null): string {
  if (perSecond === null || !Number.isFinite(perSecond)) return NO_VALUE;
  return `${perSecond < 99.95 ? trimmed(perSecond, 1) : countText(perSecond)}/s`;
}

/** `92.4 %`; small values keep two significant digits, so that 0.02 % is not 0 %. */
export function percentText(percent: number | null): string {
  if (percent === null || !Number.isFinite(percent)) return NO_VALUE;
  const size = Math.abs(percent);
  if (size !== 0 && size < 0.001) return '< 0.001 %';
  const digits = size < 0.1 ? 3 : size < 1 ? 2 : 1;
  return `${trimmed(percent, digits)} %`;
}

export function ratioText(ratio: number | null): string {
  return percentText(ratio === null ? null : ratio * 100);
}

/** Binary units: `187 MiB`. */
export function bytesText(bytes: number): string {
  if (!Number.isFinite(bytes)) return NO_VALUE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : countText(value)} ${units[unit]}`;
}

/** `275 times`, `1.4 times`. */
export function timesText(factor: number): string {
  return `${factor < 9.95 ? trimmed(factor, 1) : countText(factor)} times`;
}

/** A measured value or a limit in the unit of its SLO. */
export function measureText(value: number | null, unit: Unit): string {
  if (value === null) return 'no data';
  switch (unit) {
    case 'us':
      return durationText(value);
    case 'ratio':
      return ratioText(value);
    case 'percent':
      return percentText(value);
    case 'per_second':
      return rateText(value);
    case 'times':
      return `${trimmed(value, 2)} times`;
    case 'bytes':
      return bytesText(value);
    case 'count':
      return amountText(value);
    default:
      return unit satisfies never;
  }
}

/** A number of things, or their mean: small ones keep what tells them from zero. */
function amountText(value: number): string {
  if (Number.isInteger(value) || value >= 100) return countText(value);
  if (value > 0 && value < 0.001) return '< 0.001';
  return trimmed(value, value < 0.1 ? 3 : 2);
}

/** How one value compares with another: `0.02 times`. Null where either is missing, or the other is zero. */
export function relativeText(value: number | null, base: number | null): string | null {
  if (value === null || base === null || base === 0) return null;
  const factor = value / base;
  if (!Number.isFinite(factor)) return null;
  if (factor > 0 && factor < 0.005) return '< 0.01 times';
  return factor < 9.95 ? `${trimmed(factor, 2)} times` : timesText(factor);
}

/** Samples below which a quantile of the sample says nothing: P(no sample beyond it) is above 5 %. */
export function minimumSamples(quantile: number): number {
  return Math.ceil(Math.log(0.05) / Math.log(quantile));
}

/** A percentile, or the fact that the sample is too small to have one. */
export function percentileText(valueUs: number, quantile: number, samples: number): string {
  if (samples === 0) return 'no data';
  return samples < minimumSamples(quantile) ? 'n too small' : durationText(valueUs);
}

/** `2026-05-04 09:12:33 UTC` of an ISO instant; anything else is returned as it is. */
export function instantText(iso: string): string {
  const match = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:\.\d+)?Z$/.exec(iso);
  return match ? `${match[1]} ${match[2]} UTC` : iso;
}

/** Removes what a terminal or XML would act on: control characters other than line feed and tab, lone surrogates. */
export function printable(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[^\t\n\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

/** The same on one line. */
export function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, ' ').trim();
}

/** Text that stands among sentences: a capital first, a full stop last. */
export function sentence(text: string): string {
  const line = capitalized(oneLine(text));
  return line === '' || /[.!?]$/.test(line) ? line : `${line}.`;
}

/** A label at the start of a cell. */
export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Keeps a number and its unit on one line: a no-break space between them. */
export function bound(text: string): string {
  return text.replace(/(\d) (?=(?:µs|ms|s|min|%|times|[KMGT]iB)(?![\w]))/g, '$1\u00a0');
}

function trimmed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
