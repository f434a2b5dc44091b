/** Text inside a block as HTML. */
import { paint } from '../charts/palette.ts';
import { bindUnits } from '../format.ts';
import { type Inline, type InlineWriter, type Styled, writeInline } from '../inline.ts';
import { textStyles } from '../styles.ts';
import { escapeHtml, html, type Markup, raw } from './markup.ts';

export function inlineHtml(content: Inline): Markup {
  return raw(writeInline(content, 'html', writer));
}

const BAR_WIDTH = 84;

/** What the style sheet sets on a line of its own, or apart, has to be apart without it too. */
const UNSTYLED_BREAK: readonly string[] = ['under', 'note', 'optional', 'small'];
const UNSTYLED_SPACE: readonly string[] = ['tag', 'arrow', 'to', 'reason', 'aside'];

const writer: InlineWriter = {
  text: escapeHtml,
  judged: ({ verdict, mark, word }) =>
    html`<span class="verdict ${verdict}">${mark}${word !== '' && ` ${word}`}</span>`.markup,
  proportion: ({ ratio, text, isAlarming }) => {
    const width = (Math.max(0, Math.min(1, ratio)) * BAR_WIDTH).toFixed(1);
    const bar = `<path d="M0 0H${BAR_WIDTH}V8H0Z" fill="${paint('grid')}"/><path d="M0 0H${width}V8H0Z" fill="${paint(isAlarming ? 'bad' : 'muted')}"/>`;
    return html`<span class="nowrap"><svg class="bar" width="${BAR_WIDTH}" height="8" aria-hidden="true">${raw(bar)}</svg> ${text}</span>`
      .markup;
  },
  styled: styledHtml,
};

function styledHtml({ style, arm }: Styled, inner: string): string {
  if (style === 'break') return '<br>';
  if (style === 'prose') return bindUnits(inner);
  const [element, fixed] = textStyles[style];
  const classes = arm === undefined ? fixed : `${arm}-ink`;
  const apart = UNSTYLED_BREAK.includes(style)
    ? '<br class="plain">'
    : UNSTYLED_SPACE.includes(style)
      ? ' '
      : '';
  return `${apart}<${element}${classes === '' ? '' : ` class="${classes}"`}>${inner}</${element}>`;
}
