/** Text of a block as a terminal shows it: plain, in at most one tone. */
import type { Inline } from './inline.ts';
import { type Span, span, type Tone } from './terminal-text.ts';
import { toneOf } from './wording.ts';

/** In the first tone it names. */
export function inlineSpan(content: Inline): Span {
  return span(inlineText(content), inlineTone(content));
}

function inlineText(content: Inline): string {
  if (content === null || content === false || content === undefined) return '';
  if (typeof content === 'string') return content;
  if ('html' in content) return inlineText(content.console);
  if ('verdict' in content) return content.mark;
  if ('share' in content) return content.text;
  if (!('style' in content)) return content.map(inlineText).join('');
  const text = inlineText(content.content);
  switch (content.style) {
    case 'aside':
      return ` (${text})`;
    case 'under':
    case 'note':
    case 'optional':
    case 'small':
    case 'tag':
      return ` ${text}`;
    case 'break':
    case 'arrow':
      return ' ';
    default:
      return text;
  }
}

const TONES: Readonly<Record<string, Tone>> = {
  strong: 'strong',
  muted: 'faint',
  faint: 'faint',
  good: 'good',
  bad: 'bad',
  alarm: 'bad',
  doubt: 'doubt',
};

function inlineTone(content: Inline): Tone | undefined {
  if (content === null || typeof content !== 'object') return undefined;
  if ('html' in content) return inlineTone(content.console);
  if ('verdict' in content) return toneOf(content.verdict);
  if ('share' in content) return undefined;
  if ('style' in content) return TONES[content.style] ?? inlineTone(content.content);
  return content.map(inlineTone).find((tone) => tone !== undefined);
}
