import { describe, expect, it } from 'vitest';
import {
  bound,
  bytesText,
  capitalized,
  countText,
  durationText,
  instantOffsetText,
  instantText,
  measureText,
  minimumSamples,
  percentileText,
  percentText,
  printable,
  rateText,
  ratioText,
  relativeText,
  sentence,
  timesText,
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
    expect(durationText(us)).toBe(text);
  });
});

describe('counts, rates and percentages', () => {
  it.each([
    [countText(0), '0'],
    [countText(999), '999'],
    [countText(1_000), '1,000'],
    [countText(1_234_567), '1,234,567'],
    [countText(-1_234), '-1,234'],
    [rateText(null), '-'],
    [rateText(0), '0/s'],
    [rateText(9.44), '9.4/s'],
    [rateText(99.96), '100/s'],
    [rateText(2_600.4), '2,600/s'],
    [percentText(0), '0 %'],
    [percentText(92.44), '92.4 %'],
    [percentText(92), '92 %'],
    [percentText(100), '100 %'],
    [percentText(0.1), '0.1 %'],
    [percentText(0.0213), '0.021 %'],
    [percentText(0.0001), '< 0.001 %'],
    [ratioText(0.0107), '1.1 %'],
    [ratioText(null), '-'],
    [bytesText(512), '512 B'],
    [bytesText(1_536), '1.5 KiB'],
    [bytesText(196_083_712), '187 MiB'],
    [instantOffsetText(0), '0 s'],
    [instantOffsetText(7_480_000), '7.5 s'],
    [timesText(1.44), '1.4 times'],
    [timesText(275.4), '275 times'],
  ])('%s', (text, expected) => {
    expect(text).toBe(expected);
  });

  it('prints a measured value in the unit of its SLO', () => {
    expect(measureText(14_000, 'us')).toBe('14 ms');
    expect(measureText(0.001, 'ratio')).toBe('0.1 %');
    expect(measureText(92.4, 'percent')).toBe('92.4 %');
    expect(measureText(2_600, 'per_second')).toBe('2,600/s');
    expect(measureText(3, 'count')).toBe('3');
    expect(measureText(null, 'us')).toBe('no data');
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
    expect(measureText(value, 'count')).toBe(text);
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
    expect(relativeText(value, base)).toBe(text);
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
    expect(minimumSamples(quantile)).toBe(samples);
    expect(percentileText(14_000, quantile, samples)).toBe('14 ms');
    expect(percentileText(14_000, quantile, samples - 1)).toBe('n too small');
  });

  it('says no data rather than a zero', () => {
    expect(percentileText(0, 0.5, 0)).toBe('no data');
  });
});

describe('sentences', () => {
  it.each([
    ['holds every SLO', 'Holds every SLO.'],
    ['It failed!', 'It failed!'],
    ['', ''],
  ])('%s reads %s', (text, shown) => {
    expect(sentence(text)).toBe(shown);
    expect(capitalized(text)).toBe(shown.replace(/\.$/, ''));
  });
});

describe('text', () => {
  it('prints an ISO instant without a locale', () => {
    expect(instantText('2026-05-04T09:12:33.120Z')).toBe('2026-05-04 09:12:33 UTC');
    expect(instantText('yesterday')).toBe('yesterday');
  });

  it('binds a number to its unit, and nothing else', () => {
    expect(bound('mean 910 ms, 92.4 % of 2 cores in 3 steps')).toBe(
      'mean 910\u00a0ms, 92.4\u00a0% of 2 cores in 3 steps',
    );
  });

  it('replaces escape sequences, lone surrogates and direction overrides', () => {
    expect(printable('\u001b[31mred\u0007\u009b0m')).toBe('\ufffd[31mred\ufffd\ufffd0m');
    expect(printable('a\ud800b')).toBe('a\ufffdb');
    expect(printable('a\u202eb')).toBe('a\ufffdb');
    expect(printable('tab\tline\r\nπ 🙂')).toBe('tab\tline\nπ 🙂');
  });
});
