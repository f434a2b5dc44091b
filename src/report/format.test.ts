import { describe, expect, it } from 'vitest';
import { minimumSamplesOf } from '../sim/pure/measure/minimum-samples.ts';
import {
  bindUnits,
  capitalize,
  formatBytes,
  formatCount,
  formatDuration,
  formatInstant,
  formatMeasure,
  formatOffset,
  formatPercent,
  formatPercentile,
  formatRate,
  formatRatio,
  formatRelative,
  formatTimes,
  replaceUnprintable,
  toSentence,
} from './format.ts';

describe('durations', () => {
  it.each([
    [null, '-'],
    [Number.NaN, '-'],
    [0, '0 s'],
    [0.4, '0 µs'],
    [850, '850 µs'],
    [999.4, '999 µs'],
    [999.6, '1.0 ms'],
    [6_040, '6.0 ms'],
    [9_949, '9.9 ms'],
    [9_951, '10 ms'],
    [850_000, '850 ms'],
    [999_499, '999 ms'],
    [999_500, '1.0 s'],
    [4_200_000, '4.2 s'],
    [59_960_000, '60.0 s'],
    [119_949_000, '119.9 s'],
    [120_000_000, '2 min 00 s'],
    [125_400_000, '2 min 05 s'],
    [-850_000, '-850 ms'],
  ])('%s µs is %s', (us, text) => {
    expect(formatDuration(us)).toBe(text);
  });
});

describe('counts, rates and percentages', () => {
  it.each([
    [formatCount(0), '0'],
    [formatCount(999), '999'],
    [formatCount(1_000), '1,000'],
    [formatCount(1_234_567), '1,234,567'],
    [formatCount(-1_234), '-1,234'],
    [formatRate(null), '-'],
    [formatRate(0), '0/s'],
    [formatRate(9.44), '9.4/s'],
    [formatRate(99.96), '100/s'],
    [formatRate(2_600.4), '2,600/s'],
    [formatPercent(0), '0 %'],
    [formatPercent(92.44), '92.4 %'],
    [formatPercent(92), '92 %'],
    [formatPercent(100), '100 %'],
    [formatPercent(0.1), '0.1 %'],
    [formatPercent(0.0213), '0.021 %'],
    [formatPercent(0.0001), '< 0.001 %'],
    [formatRatio(0.0107), '1.1 %'],
    [formatRatio(null), '-'],
    [formatBytes(512), '512 B'],
    [formatBytes(1_536), '1.5 KiB'],
    [formatBytes(196_083_712), '187 MiB'],
    [formatOffset(0), '0 s'],
    [formatOffset(7_480_000), '7.5 s'],
    [formatTimes(1.44), '1.4 times'],
    [formatTimes(275.4), '275 times'],
  ])('%s', (text, expected) => {
    expect(text).toBe(expected);
  });

  it('prints a measured value in the unit of its SLO', () => {
    expect(formatMeasure(14_000, 'us')).toBe('14 ms');
    expect(formatMeasure(0.001, 'ratio')).toBe('0.1 %');
    expect(formatMeasure(92.4, 'percent')).toBe('92.4 %');
    expect(formatMeasure(2_600, 'per_second')).toBe('2,600/s');
    expect(formatMeasure(3, 'count')).toBe('3');
    expect(formatMeasure(null, 'us')).toBe('no data');
  });
});

describe('comparisons', () => {
  it.each([
    [0.0124, '0.012'],
    [0.0004, '< 0.001'],
    [0, '0'],
    [2.041, '2.04'],
    [1_204.4, '1,204'],
  ])('%s of something reads %s', (value, text) => {
    expect(formatMeasure(value, 'count')).toBe(text);
  });

  it.each([
    [1, 2, '0.5 times'],
    [3, 1_000, '< 0.01 times'],
    [0, 5, '0 times'],
    [26, 2, '13 times'],
    [1, 0, null],
    [null, 1, null],
    [1, null, null],
  ])('%s beside %s is %s', (value, base, text) => {
    expect(formatRelative(value, base)).toBe(text);
  });
});

describe('percentiles of small samples', () => {
  // ceil(ln 0.05 / ln q): the rule of measurement 3.
  it.each([
    [0.5, 5],
    [0.95, 59],
    [0.99, 299],
    [0.999, 2_995],
  ])('quantile %s needs %s samples', (quantile, samples) => {
    expect(minimumSamplesOf(quantile)).toBe(samples);
    expect(formatPercentile(14_000, quantile, samples)).toBe('14 ms');
    expect(formatPercentile(14_000, quantile, samples - 1)).toBe('n too small');
  });

  it('says no data rather than a zero', () => {
    expect(formatPercentile(0, 0.5, 0)).toBe('no data');
  });
});

describe('sentences', () => {
  it.each([
    ['holds every SLO', 'Holds every SLO.'],
    ['It failed!', 'It failed!'],
    ['', ''],
  ])('%s reads %s', (text, shown) => {
    expect(toSentence(text)).toBe(shown);
    expect(capitalize(text)).toBe(shown.replace(/\.$/, ''));
  });
});

describe('text', () => {
  it('prints an ISO instant without a locale', () => {
    expect(formatInstant('2026-05-04T09:12:33.120Z')).toBe('2026-05-04 09:12:33 UTC');
    expect(formatInstant('yesterday')).toBe('yesterday');
  });

  it('binds a number to its unit, and nothing else', () => {
    expect(bindUnits('mean 910 ms, 92.4 % of 2 cores in 3 steps')).toBe(
      'mean 910\u00a0ms, 92.4\u00a0% of 2 cores in 3 steps',
    );
  });

  it('replaces escape sequences, lone surrogates and direction overrides', () => {
    expect(replaceUnprintable('\u001b[31mred\u0007\u009b0m')).toBe('\ufffd[31mred\ufffd\ufffd0m');
    expect(replaceUnprintable('a\ud800b')).toBe('a\ufffdb');
    expect(replaceUnprintable('a\u202eb')).toBe('a\ufffdb');
    expect(replaceUnprintable('tab\tline\r\nπ 🙂')).toBe('tab\tline\nπ 🙂');
  });
});
