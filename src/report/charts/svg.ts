/**
 * Draws a chart to a static SVG string with Apache ECharts. Attributes for interaction and global counters in ids are
 * removed, so that the same chart is always the same bytes.
 */
import { BarChart, CustomChart, LineChart, ScatterChart } from 'echarts/charts';
import {
  GridComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TitleComponent,
} from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { escapeHtml, type Markup, raw } from '../html/markup.ts';
import { color, paint, resolveColors } from './palette.ts';

use([
  BarChart,
  CustomChart,
  LineChart,
  ScatterChart,
  GridComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TitleComponent,
  SVGRenderer,
]);

export type ChartOption = EChartsCoreOption;

export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly option: ChartOption;
}

export interface ChartText {
  /** Unique in the page, `spectrum` or `timeline-before`. */
  readonly id: string;
  readonly title: string;
  /** For screen readers. */
  readonly description: string;
}

/** The style sheet's own font replaces it. */
const FONT = 'font-size="12" font-family="sans-serif"';

/** Width of a chart on a phone and on half a printed page. */
export const NARROW = 350;

/** The same chart for a wide and for a narrow column; the style sheet shows one. Without it, the wide one is seen. */
export function responsiveChart(
  text: ChartText,
  wide: number,
  draw: (width: number) => Drawing,
): Markup {
  const wideSvg = drawSvg({ ...text, id: `${text.id}-w` }, draw(wide));
  const narrowSvg = drawSvg({ ...text, id: `${text.id}-n` }, draw(NARROW));
  return raw(`<div class="wide">${wideSvg}</div><div class="narrow" hidden>${narrowSvg}</div>`);
}

export function drawSvg(text: ChartText, { width, height, option }: Drawing): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      textStyle: { fontSize: 12, color: color('muted') },
      ...option,
    });
    const body = cleanSvg(chart.renderToSVGString(), text.id);
    const head =
      `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${FONT} role="img" ` +
      `aria-labelledby="${text.id}-title ${text.id}-desc">` +
      `<title id="${text.id}-title">${escapeHtml(text.title)}</title>` +
      `<desc id="${text.id}-desc">${escapeHtml(text.description)}</desc>`;
    // Its own ground: without a style sheet, a browser in the dark scheme would have a dark one.
    const ground = `<path d="M0 0H${width}V${height}H0Z" fill="${paint('paper')}"/>`;
    return `${head}${ground}${body}</svg>`;
  } finally {
    chart.dispose();
  }
}

function cleanSvg(svg: string, id: string): string {
  const body = svg
    .replace(/^<svg[^>]*>/, '')
    .replace(/<\/svg>\s*$/, '')
    .replace(/<style ?>[\s\S]*?<\/style>/g, '')
    .replace(/^\s*<rect [^>]*fill="none"><\/rect>/, '')
    .replace(/ (?:class="zr[^"]*"|ecmeta_\w+="[^"]*"|pointer-events="\w+"|paint-order="\w+")/g, '')
    .replace(/ style="font-size:12px;font-family:[^;"]*;"/g, '')
    .replace(/font-family:[^;"]*;/g, '')
    .replace(/ style="([^"]*)"/g, (_, style: string) => asAttributes(style))
    .replace(/ stroke-line(?:cap|join)="\w+"/g, '')
    .replace(/zr\d+-(\w+)/g, `${id}-$1`)
    .replace(
      / (d|points|transform|x|y|width|height)="([^"]*)"/g,
      (_, name: string, value: string) => {
        const rounded = value.replace(/-?\d+\.\d+/g, (number) =>
          String(Number(Number(number).toFixed(1))),
        );
        return ` ${name}="${rounded}"`;
      },
    )
    .replace(/M(\S+) (\S+)L(\S+) \2L\3 (\S+)L\1 \4Z/g, 'M$1 $2H$3V$4H$1Z')
    .replace(/><\/(path|polygon|polyline|rect|circle)>/g, '/>')
    .replace(/>\s*\n\s*</g, '><')
    .trim();
  return resolveColors(body);
}

/** Presentation attributes are no inline style, which a server may forbid. */
function asAttributes(style: string): string {
  return style
    .split(';')
    .map((declaration) => declaration.split(':'))
    .map(([name = '', value = '']) => (value === '' ? '' : ` ${name.trim()}="${value.trim()}"`))
    .join('');
}
