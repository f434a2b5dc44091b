/** How far the arm goes: rising load, step by step, until an SLO breaks. */
import { capacityChart } from '../charts/capacity.ts';
import { countText, durationText, percentileText, rateText, ratioText } from '../format.ts';
import type { NamedArm } from '../rows.ts';
import { capacityText } from '../wording.ts';
import { html, type Markup } from './markup.ts';
import { dataTable, legend, type Section, verdictOf } from './parts.ts';

export function capacitySection(arms: readonly NamedArm[]): Section | null {
  const drawn = arms.filter(({ arm }) => arm.capacity !== null);
  if (drawn.length === 0) return null;
  return { id: 'capacity', title: 'Capacity', body: html`${drawn.map(oneArm)}` };
}

function oneArm(named: NamedArm): Markup {
  const capacity = named.arm.capacity!;
  const chart = capacityChart(named);
  const columns = [
    { title: 'Offered', numeric: true },
    ...['Completed', 'Mean', 'p95', 'p99', 'Errors', 'Send lag p99', 'n'].map((title) => ({
      title,
      numeric: true,
    })),
    { title: 'Verdict' },
  ];
  const rows = capacity.steps.map((step) => [
    rateText(step.offeredPerSecond),
    rateText(step.achievedPerSecond),
    durationText(step.latency.meanUs),
    percentileText(step.latency.p95Us, 0.95, step.latency.count),
    percentileText(step.latency.p99Us, 0.99, step.latency.count),
    ratioText(step.errorRatio),
    durationText(step.lagP99Us),
    countText(step.latency.count),
    html`${verdictOf(step.verdict)}${step.reason !== undefined && html`<br><span class="note">${step.reason}</span>`}`,
  ]);
  return html`<p class="big"><b>${capacityText(named)}.</b></p><p class="note">${capacity.note}</p>
${
  chart !== null &&
  html`<figure style="max-width:760px">${legend([
    { role: named.name, text: 'step that held', shape: 'dot' },
    { role: 'bad', text: 'step that broke (cross)', shape: 'dot' },
    { role: 'muted', text: 'all of the offered load', shape: 'dash' },
    { role: 'slo', text: 'p99 limit', shape: 'thin' },
  ])}${chart}</figure>`
}
${dataTable(`Load steps of ${named.name}`, columns, rows)}`;
}
