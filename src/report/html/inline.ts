/** Text with meaning as HTML. */
import { bound } from '../format.ts';
import type { Inline, Share, Styled } from '../inline.ts';
import { styles } from '../styles.ts';
import { html, type Markup, raw } from './markup.ts';

export function inlineHtml(content: Inline): Markup {
  if (content === null || content === false || content === undefined) return raw('');
  if (typeof content === 'string') return html`${content}`;
  if ('html' in content) return inlineHtml(content.html);
  if ('share' in content) return shareHtml(content);
  if ('style' in content) return styledHtml(content);
  if (!('verdict' in content)) return html`${content.map(inlineHtml)}`;
  const { verdict, mark, word } = content;
  return html`<span class="verdict ${verdict}">${mark}${word !== '' && ` ${word}`}</span>`;
}

function styledHtml({ style, content, arm }: Styled): Markup {
  if (style === 'break') return raw('<br>');
  if (style === 'prose' && typeof content === 'string') return html`${bound(content)}`;
  const [element = 'span', fixed = ''] = styles[style] ?? [];
  const classes = arm === undefined ? fixed : `${arm}-ink`;
  const attribute = classes === '' ? '' : ` class="${classes}"`;
  return html`${raw(`<${element}${attribute}>`)}${inlineHtml(content)}${raw(`</${element}>`)}`;
}

function shareHtml({ share, text, isAlarming }: Share): Markup {
  const percent = Math.max(0, Math.min(100, share * 100)).toFixed(1);
  return html`<span class="nowrap"><span class="bar${isAlarming && ' culprit'}"><i style="width:${percent}%"></i></span>${text}</span>`;
}
