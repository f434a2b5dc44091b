/** The formats of a report by name: file name and renderer. */
import type { Result } from '../sim/result.ts';
import { renderHtml } from './html/page.ts';
import { renderJson } from './json.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';

export type FormatName = 'html' | 'md' | 'json' | 'junit';

export interface Format {
  readonly file: string;
  readonly render: (result: Result) => string;
}

export const formats: Readonly<Record<FormatName, Format>> = {
  html: { file: 'report.html', render: renderHtml },
  md: { file: 'report.md', render: renderMarkdown },
  json: { file: 'result.json', render: renderJson },
  junit: { file: 'junit.xml', render: renderJunit },
};
