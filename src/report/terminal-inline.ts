/** Text of a block for a terminal: plain, in at most one tone. */
import { type Inline, writeInline } from './inline.ts';
import type { Style } from './styles.ts';
import { type Span, span, type Tone } from './terminal-text.ts';
import { toneOf } from './wording.ts';

const tones: Readonly<Partial<Record<Style, Tone>>> = {
  strong: 'strong',
  muted: 'faint',
  faint: 'faint',
  statement: 'faint',
  good: 'good',
  bad: 'bad',
  alarm: 'bad',
  doubt: 'doubt',
};

/** The first tone in the content applies to all of it. */
export function toSpan(content: Inline): Span {
  let tone: Tone | undefined;
  const text = writeInline(content, 'console', {
    text: (plain) => plain,
    judged: ({ verdict, mark }) => {
      tone ??= toneOf(verdict);
      return mark;
    },
    proportion: ({ text }) => text,
    styled: ({ style }, inner) => {
      tone ??= tones[style];
      return style === 'aside' ? ` (${inner})` : style === 'note' ? ` ${inner}` : inner;
    },
  });
  return span(text, tone);
}
