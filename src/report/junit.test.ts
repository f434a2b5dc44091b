import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import {
  abortedResult,
  brokenResult,
  emptyResult,
  hostileResult,
} from './fixtures/edge-results.ts';
import { turn1Result } from './fixtures/turn1-result.ts';
import { turn4Result } from './fixtures/turn4-result.ts';
import { renderJunit } from './junit.ts';

interface Counted {
  readonly '@tests': string;
  readonly '@failures': string;
  readonly '@errors': string;
  readonly '@skipped': string;
  readonly '@time': string;
}
interface Testcase {
  readonly '@name': string;
  readonly '@time': string;
  readonly failure?: { readonly '#text': string };
  readonly error?: { readonly '#text': string };
  readonly skipped?: { readonly '#text': string; readonly '@message': string };
  readonly 'system-out'?: string;
}
interface Parsed {
  readonly testsuites: Counted & {
    readonly testsuite: readonly (Counted & {
      readonly '@name': string;
      readonly testcase: readonly Testcase[];
    })[];
  };
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseTagValue: false,
  isArray: (name) => ['testsuite', 'testcase', 'property'].includes(name),
});
const parse = (text: string) => parser.parse(text) as Parsed;
const cases = (text: string) => parse(text).testsuites.testsuite.flatMap((suite) => suite.testcase);
const named = (text: string, start: string) =>
  cases(text).find((item) => item['@name'].startsWith(start))!;

describe('renderJunit', () => {
  const all = { turn1Result, turn4Result, abortedResult, emptyResult, brokenResult, hostileResult };

  it.each(Object.entries(all))('writes well-formed XML with true totals: %s', (_name, result) => {
    const text = renderJunit(result);
    expect(XMLValidator.validate(text)).toBe(true);
    const { testsuites } = parse(text);
    for (const suite of [...testsuites.testsuite, { ...testsuites, testcase: cases(text) }]) {
      const having = (key: keyof Testcase) =>
        String(suite.testcase.filter((item) => item[key] !== undefined).length);
      expect(suite['@tests']).toBe(String(suite.testcase.length));
      expect(suite['@failures']).toBe(having('failure'));
      expect(suite['@errors']).toBe(having('error'));
      expect(suite['@skipped']).toBe(having('skipped'));
      expect(suite['@time']).toMatch(/^\d+\.\d{3}$/);
    }
  });

  it('skips what before was expected to break, with the numbers, and has no failure left', () => {
    const text = renderJunit(turn4Result);
    const { testsuites } = parse(text);
    expect(testsuites['@failures']).toBe('0');
    expect(testsuites['@errors']).toBe('0');
    expect(testsuites['@skipped']).toBe('3');
    const skipped = named(text, 'slo p99: latency.p99 < 500ms').skipped!;
    expect(skipped['@message']).toBe('expected: measured 3.9 s, limit 500 ms, n = 560');
    expect(skipped['#text']).toBe('measured 3.9 s, limit 500 ms, n = 560');
  });

  it('puts value, limit, n and witnesses into the text of a failure', () => {
    const text = renderJunit(brokenResult);
    expect(named(text, 'slo p99').failure!['#text']).toBe(
      'measured 612 ms, limit 500 ms, n = 3,180',
    );
    const failure = named(text, 'invariant audit-once').failure!['#text'];
    expect(failure).toContain('2 violations in 3,180 checked');
    expect(failure).toContain('"requestId":"r-000412"');
  });

  it('reports unknown as an error, also when nothing ran', () => {
    expect(named(renderJunit(emptyResult), 'slo p99').error!['#text']).toContain('no data');
    expect(parse(renderJunit(abortedResult)).testsuites['@errors']).toBe('1');
  });

  it('does not skip a failure of before that the result lists as failed', () => {
    const text = renderJunit({ ...turn4Result, failed: ['before.slo.errors'] });
    expect(named(text, 'slo errors').failure).toBeDefined();
  });

  it('skips an SLO that an expected failure left undecided', () => {
    const before = turn4Result.arms.before!;
    const slos = before.slos.map((slo) =>
      slo.id === 'errors' ? { ...slo, verdict: 'unknown' as const } : slo,
    );
    const result = { ...turn4Result, arms: { before: { ...before, slos } } };
    expect(named(renderJunit(result), 'slo errors').skipped).toBeDefined();
  });

  it('names the scope of an SLO and carries the figures of a drill', () => {
    const text = renderJunit(turn1Result);
    const storm = 'slo storm: latency.p99 <= 1.2x (check in login-storm, against baseline)';
    expect(named(text, storm).skipped).toBeDefined();
    expect(named(text, 'invariant logout-final')['system-out']).toContain(
      'longest revocation lag: 0 s',
    );
    expect(text).toContain('<property name="cost.statements" value="2.04"/>');
    expect(text).toContain('<property name="fault.redis-kill" value="healed"/>');
    expect(text).toMatch(/name="recovery\.redis-kill" value="[^"]*never drained"/);
  });

  it('escapes markup and drops control characters', () => {
    const text = renderJunit(hostileResult);
    expect(text).not.toContain('<script');
    expect(text).not.toContain('<img');
    expect([...text].every((char) => char >= ' ' || char === '\n' || char === '\t')).toBe(true);
  });

  it('matches the golden file', async () => {
    await expect(renderJunit(turn4Result)).toMatchFileSnapshot('golden/turn4.junit.xml');
  });
});
