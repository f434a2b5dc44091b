import { describe, expect, it } from 'vitest';
import { UsageError } from '../sim/errors.ts';
import {
  parseChoices,
  parseDurationMs,
  parsePort,
  parseRatePerSecond,
  parseRepeat,
  parseSeed,
} from './units.ts';

function refused(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    if (error instanceof UsageError) return error.toLines();
    throw error;
  }
  throw new Error('was accepted');
}

describe('durations', () => {
  it.each([
    ['30s', 30_000],
    ['1500ms', 1_500],
    ['2m', 120_000],
    ['0.5s', 500],
    ['1.5m', 90_000],
    ['1440m', 86_400_000],
    ['1m30s', 90_000],
    ['2m0.5s', 120_500],
    ['1s500ms', 1_500],
    ['1m2s3ms', 62_003],
  ])('reads %s', (text, expected) => expect(parseDurationMs(text)).toBe(expected));

  it.each([
    '30',
    '',
    's',
    '-5s',
    '0s',
    '0.4ms',
    '30 s',
    '30sec',
    '1h',
    '1e3s',
    'NaNs',
    '1441m',
    '30s1m',
    '1s2s',
    '1m30',
    '1h30m',
    '1m 30s',
  ])('refuses "%s" in three lines that name the accepted form', (text) => {
    const lines = refused(() => parseDurationMs(text)).split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain(text);
    expect(lines[1]).toContain('ms, s or m');
    expect(lines[2]).toMatch(/^next: platform sim turn4 --duration \d+s$/);
  });

  it('suggests seconds for a bare number', () =>
    expect(refused(() => parseDurationMs('45'))).toContain('--duration 45s'));
});

describe('rates', () => {
  it.each([
    ['200/s', 200],
    ['12000/m', 200],
    ['0.5/s', 0.5],
  ])('reads %s', (text, expected) => expect(parseRatePerSecond(text)).toBe(expected));

  it.each(['200', '200/h', '0/s', '-1/s', '/s', 'fast', '2000000/s', '200 /s'])(
    'refuses "%s"',
    (text) => expect(refused(() => parseRatePerSecond(text))).toContain('200/s'),
  );
});

describe('whole numbers', () => {
  it('reads the whole range of a seed', () => {
    expect(parseSeed('0')).toBe(0);
    expect(parseSeed('4294967295')).toBe(4_294_967_295);
  });

  it.each([
    ['seed', () => parseSeed('4294967296')],
    ['seed', () => parseSeed('1.5')],
    ['seed', () => parseSeed('0x10')],
    ['repeat', () => parseRepeat('0')],
    ['repeat', () => parseRepeat('101')],
    ['port', () => parsePort('65536')],
    ['port', () => parsePort('-1')],
  ])('refuses a %s outside its range', (flag, parse) =>
    expect(refused(parse)).toContain(`--${flag}`),
  );
});

describe('lists of words', () => {
  const known = ['html', 'md', 'json'] as const;

  it('keeps the known order and each word once', () =>
    expect(parseChoices('--format', 'json, html,json', known)).toEqual(['html', 'json']));

  it.each(['pdf', 'html,pdf', '', 'html,'])('refuses "%s"', (text) =>
    expect(refused(() => parseChoices('--format', text, known))).toContain('html, md, json'),
  );
});
