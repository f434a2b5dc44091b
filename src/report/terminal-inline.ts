/** Text of a block as a terminal shows it: plain, in at most one tone. */
import type { Inline } from './inline.ts';
import type { Style } from './styles.ts';
import { type Span, span, type Tone } from './terminal-text.ts';
import { toneOf } from './wording.ts';

const TONES: Readonly<Partial<Record<Style, Tone>>> = {
  strong: 'strong',
  muted: 'faint',
  faint: 'faint',
  statement: 'faint',
  good: 'good',
  bad: 'bad',
  alarm: 'bad',
  doubt: 'doubt',
};

/** In the first tone that is named. */
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
  return content.style === 'aside' ? ` (${text})` : content.style === 'note' ? ` ${text}` : text;
}

function inlineTone(content: Inline): Tone | undefined {
  if (typeof content !== 'object' || content === null || 'share' in content) return undefined;
  if ('html' in content) return inlineTone(content.console);
  if ('verdict' in content) return toneOf(content.verdict);
  if ('style' in content) return TONES[content.style] ?? inlineTone(content.content);
  return content.map(inlineTone).find((tone) => tone !== undefined);
}
