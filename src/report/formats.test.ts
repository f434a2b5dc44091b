import { describe, expect, it } from 'vitest';
import { renderConsole } from './console.ts';
import { turn4Result } from './fixtures/turn4-result.ts';
import { formats } from './formats.ts';

/** Text as a reader sees it: no tags, entities resolved, one kind of space. */
function readable(text: string, isHtml = false): string {
  return text
    .replace(/<style>[\s\S]*?<\/style>/g, '')
    .replace(/<\/?[a-z][^<>]*>/g, isHtml ? ' ' : '$&')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&')
    .replace(/\\([*_])/g, '$1')
    .replace(/[\s\u00a0]+/g, ' ');
}

describe('formats', () => {
  it('name their files', () => {
    const files = Object.entries(formats).map(([name, { file }]) => [name, file]);
    expect(files).toEqual([
      ['html', 'report.html'],
      ['md', 'report.md'],
      ['json', 'result.json'],
      ['junit', 'junit.xml'],
    ]);
  });

  const console = renderConsole(turn4Result, { colorText: null, width: 120, folder: 'reports/x' });
  const texts = {
    html: readable(formats.html.render(turn4Result), true),
    md: readable(formats.md.render(turn4Result)),
    junit: readable(formats.junit.render(turn4Result)),
    console: readable(console),
  };

  // What result.json holds in microseconds and ratios, as every format must print it.
  it.each(Object.entries(texts))('show the same numbers: %s', (_name, text) => {
    for (const fact of [
      turn4Result.sentence,
      'exit 0, pass',
      '910 ms',
      '3.9 s',
      '1.1 %',
      '6.0 ms',
      '14 ms',
      '560',
      '3,180',
      '92.4 %',
      '850 ms',
      '4.2 s',
      '425 ms to 1.7 s',
      'latency.p99 < 500ms',
      'npx platform sim turn4 --seed 42',
    ]) {
      expect(text).toContain(fact);
    }
  });

  it('are pure: rendering changes nothing and repeats byte for byte', () => {
    const before = JSON.stringify(turn4Result);
    for (const { render } of Object.values(formats)) {
      expect(render(JSON.parse(before))).toBe(render(turn4Result));
    }
    expect(JSON.stringify(turn4Result)).toBe(before);
  });
});
