/** Text inside a block as HTML. */
import { bindUnits } from '../format.ts';
import { type Inline, type InlineWriter, type Styled, writeInline } from '../inline.ts';
import { textStyles } from '../styles.ts';
import { escapeHtml, html, type Markup, raw } from './markup.ts';

export function inlineHtml(content: Inline): Markup {
  return raw(writeInline(content, 'html', writer));
}

const writer: InlineWriter = {
  text: escapeHtml,
  judged: ({ verdict, mark, word }) =>
    html`<span class="verdict ${verdict}">${mark}${word !== '' && ` ${word}`}</span>`.markup,
  proportion: ({ ratio, text, isAlarming }) => {
    const percent = Math.max(0, Math.min(100, ratio * 100)).toFixed(1);
    return html`<span class="nowrap"><span class="bar${isAlarming && ' culprit'}"><i style="width:${percent}%"></i></span>${text}</span>`
      .markup;
  },
  styled: styledHtml,
};

function styledHtml({ style, arm }: Styled, inner: string): string {
  if (style === 'break') return '<br>';
  if (style === 'prose') return bindUnits(inner);
  const [element, fixed] = textStyles[style];
  const classes = arm === undefined ? fixed : `${arm}-ink`;
  return `<${element}${classes === '' ? '' : ` class="${classes}"`}>${inner}</${element}>`;
}
