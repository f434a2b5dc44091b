/**
 * The report as one offline page: no script, no request, charts as inline SVG. Pure: the same result gives the same
 * bytes. A section without data is omitted.
 */
import type { Result } from '../../sim/result.ts';
import { selectSections } from '../block-selection.ts';
import { paint } from '../charts/palette.ts';
import { sections } from '../sections.ts';
import { blocksHtml } from './block.ts';
import { inlineHtml } from './inline.ts';
import { html, raw } from './markup.ts';
import { STYLE } from './style.ts';

/** The page may load nothing. A server may forbid even this style: what is then left must read well. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export function renderHtml(result: Result, renderers = sections): string {
  const { head, body } = selectSections('html', result, renderers);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${result.verdict}: ${result.scenario} ${result.title}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<svg class="skip" width="0" height="0" aria-hidden="true" focusable="false"><defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V6" stroke="${paint('hatch')}" stroke-width="1.6"/></pattern></defs></svg>
<div class="page">
<header>
${head.map(({ blocks }) => blocksHtml(blocks))}
<nav aria-label="Sections">${body.map(({ id, title, short }) => html`<a href="#${id}">${short ?? inlineHtml(title)}</a>\n`)}</nav>
</header>
<main>
${body.map(({ id, title, blocks }) => html`<section id="${id}" aria-labelledby="${id}-h"><h2 id="${id}-h">${inlineHtml(title)}</h2>\n${blocksHtml(blocks)}</section>\n`)}
</main>
<footer>Every number on this page is in <code>result.json</code> beside it; <code>platform report</code> rebuilds the page from that file, byte for byte.</footer>
</div>
</body>
</html>
`;
  return page.markup;
}
