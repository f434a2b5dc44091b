/** The top of the page: what a reader takes away in ten seconds. */
import type { Figure, Result } from '../../sim/result.ts';
import {
  bound,
  capitalized,
  countText,
  durationText,
  instantText,
  measureText,
  percentileText,
  percentText,
  rateText,
  timesText,
} from '../format.ts';
import { costRows, figureRows, type NamedArm } from '../rows.ts';
import { exitText, verdictMark } from '../wording.ts';
import { html, type Markup } from './markup.ts';
import type { Content, Section } from './parts.ts';

export function pageHeader(
  result: Result,
  arms: readonly NamedArm[],
  sections: readonly Section[],
): Markup {
  return html`<header>
<div class="top"><span><b>platform sim</b> ${result.scenario}</span><span>${instantText(result.startedAt)}, run ${result.runId}</span></div>
<p class="badge ${result.verdict}"><span>${verdictMark(result.verdict)} ${result.verdict.toUpperCase()}</span><small>${exitText(result.exitCode)}</small></p>
<h1${result.sentence.length > LONG_SENTENCE && html` class="long"`}>${bound(result.sentence)}</h1>
${result.aborted && html`<p class="banner bad"><b>Aborted.</b> The run was interrupted; this report shows what there was until then.</p>`}
${result.quick && html`<p class="banner"><b>Quick run.</b> ${result.scaleNote}</p>`}
${result.failed.length > 0 && html`<p class="banner bad"><b>Failed against expectation:</b> ${result.failed.map((id, index) => html`${index > 0 && ', '}<code>${id}</code>`)}</p>`}
<dl class="lede"><div><dt>${result.title}</dt><dd>${bound(result.situation)}</dd></div><div><dt>Question</dt><dd>${bound(result.question)}</dd></div></dl>
${comparedFigures(arms) ?? keyFigures(arms)}
<nav aria-label="Sections">${sections.map(({ id, title, short }) => html`<a href="#${id}">${short ?? title}</a>`)}</nav>
</header>`;
}

/** A sentence about three arms is too long to be set in the largest size. */
const LONG_SENTENCE = 120;

/** Most figures of checkers that the top of the page shows. */
const MOST_FIGURES = 6;

/** Every arm side by side, where what the checkers measured is the point of the run. */
function comparedFigures(arms: readonly NamedArm[]): Markup | null {
  const figures = figureRows(arms).slice(0, MOST_FIGURES);
  if (figures.length === 0) return null;
  const each = (texts: readonly (string | null)[]) =>
    html`<dd class="each">${arms.map(
      ({ name }, index) =>
        texts[index] !== null &&
        html`<span class="${name}-ink">${texts[index]!}<small>${name}</small></span>`,
    )}</dd>`;
  const costs = costRows(arms).slice(0, 1);
  const rows = [...figures, ...costs.map((row) => ({ ...row, item: perOperation(row.item) }))];
  return html`<dl class="keys compared">${rows.map(
    ({ item, cells }) =>
      html`<div><dt>${capitalized(item.label)}</dt>${each(cells.map((cell) => cell && measureText(cell.value, cell.unit)))}</div>\n`,
  )}<div><dt>p99 response time, judged phases</dt>${each(
    arms.map(({ arm }) => percentileText(arm.latency.p99Us, 0.99, arm.latency.count)),
  )}</div></dl>`;
}

function perOperation(cost: Figure): Figure {
  return { ...cost, label: `${cost.label} per operation` };
}

/** Before and after of the figures the incident is about, largest first in meaning: p99, mean, CPU, traffic held. */
function keyFigures(arms: readonly NamedArm[]): Markup | null {
  const from = arms.find(({ name }) => name === 'before');
  const to = arms.find(({ name }) => name === 'after');
  const measuredArms = [from, to].filter(
    (named) => named !== undefined && named.arm.latency.count > 0,
  );
  if (measuredArms.length === 0) return null;
  const pair = (pick: (named: NamedArm) => string) => change(from && pick(from), to && pick(to));
  const n = measuredArms.map((named) => countText(named!.arm.latency.count)).join(' and ');
  const busiest = busiestProcess(measuredArms[0]!);
  const cpu = ({ arm }: NamedArm) => percentText(arm.resources[busiest ?? '']?.cpuPercent ?? null);
  return html`<dl class="keys">
<div><dt>p99 response time</dt><dd>${pair(({ arm }) => percentileText(arm.latency.p99Us, 0.99, arm.latency.count))}<small>n = ${n}</small></dd></div>
<div><dt>Mean response time</dt><dd>${pair(({ arm }) => (arm.latency.count === 0 ? 'no data' : durationText(arm.latency.meanUs)))}<small>n = ${n}</small></dd></div>
${busiest !== null && html`<div><dt>CPU of ${busiest}</dt><dd>${pair(cpu)}<small>of one core${measuredArms.length > 1 && ', same load'}</small></dd></div>`}
${held(to ?? from!)}
</dl>`;
}

function held({ arm }: NamedArm): Content {
  const rate = arm.capacity?.holdsPerSecond ?? null;
  if (rate === null) return null;
  const times = arm.capacity?.timesBefore ?? null;
  return html`<div><dt>Traffic held within the SLOs</dt><dd>${rateText(rate)}<small>${
    times === null ? 'highest step that held' : `at least ${timesText(times)} before`
  }</small></dd></div>`;
}

function busiestProcess({ arm }: NamedArm): string | null {
  const ranked = Object.entries(arm.resources).sort(([, a], [, b]) => b.cpuPercent - a.cpuPercent);
  return ranked[0]?.[0] ?? null;
}

function change(from: string | undefined, to: string | undefined): Markup {
  const before = from !== undefined && html`<span class="from nowrap">${from}</span>`;
  const after = to !== undefined && html`<span class="to nowrap">${to}</span>`;
  const arrow = from !== undefined && to !== undefined && html`<span class="arrow">→</span>`;
  return html`${before}${arrow}${after}`;
}
