/** Text with meaning as HTML: one element and class for each style. */
import { bound } from '../format.ts';
import type { Inline, Style } from '../inline.ts';
import { html, type Markup, raw } from './markup.ts';

/** Element and class by style. */
const ELEMENTS: Readonly<Record<Exclude<Style, 'prose' | 'break'>, readonly [string, string]>> = {
  strong: ['b', ''],
  ink: ['span', ''],
  code: ['code', ''],
  statement: ['code', 'statement'],
  value: ['span', 'value'],
  figure: ['span', 'value cell'],
  muted: ['span', 'muted'],
  faint: ['span', 'muted'],
  aside: ['span', 'muted nowrap'],
  under: ['span', 'under'],
  note: ['span', 'note block'],
  optional: ['span', 'note block limit'],
  reason: ['span', 'note'],
  alarm: ['b', 'fail'],
  tag: ['span', 'tag'],
  nowrap: ['span', 'nowrap'],
  from: ['span', 'from nowrap'],
  arrow: ['span', 'arrow'],
  to: ['span', 'to nowrap'],
  small: ['small', ''],
  good: ['span', 'pass'],
  bad: ['span', 'fail'],
  doubt: ['span', 'unknown'],
};

export function inlineHtml(content: Inline): Markup {
  if (content === null || content === false || content === undefined) return raw('');
  if (typeof content === 'string') return html`${content}`;
  if ('html' in content) return inlineHtml(content.html);
  if ('verdict' in content) {
    const { verdict, mark, word } = content;
    return html`<span class="verdict ${verdict}">${mark}${word !== '' && ` ${word}`}</span>`;
  }
  if ('share' in content) return shareBar(content.share, content.isAlarming, content.text);
  if ('style' in content) return styledHtml(content.style, content.content, content.arm);
  return html`${content.map(inlineHtml)}`;
}

function styledHtml(style: Style, content: Inline, arm?: string): Markup {
  if (style === 'break') return raw('<br>');
  if (style === 'prose')
    return typeof content === 'string' ? html`${bound(content)}` : inlineHtml(content);
  const [tag, fixed] = ELEMENTS[style];
  const classes = arm === undefined ? fixed : `${arm}-ink`;
  const attribute = classes === '' ? '' : ` class="${classes}"`;
  return html`${raw(`<${tag}${attribute}>`)}${inlineHtml(content)}${raw(`</${tag}>`)}`;
}

function shareBar(share: number, isAlarming: boolean, text: string): Markup {
  const percent = Math.max(0, Math.min(100, share * 100)).toFixed(1);
  return html`<span class="nowrap"><span class="bar${isAlarming && ' culprit'}"><i style="width:${percent}%"></i></span>${text}</span>`;
}
