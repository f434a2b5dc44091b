/** How the arms behaved: spectrum, timeline, heat maps, errors over time. */
import { errorCauses, errorChart } from '../charts/errors.ts';
import { heatLegend, heatMapChart, heatScale } from '../charts/heat-map.ts';
import { heatRole, seriesRole } from '../charts/palette.ts';
import { sloSteps, spectrumChart } from '../charts/spectrum.ts';
import { thinHeatMap } from '../charts/thin.ts';
import { isCrowded, sharedLatencyScale, timelineChart } from '../charts/timeline.ts';
import { countText, durationText, instantOffsetText, oneLine, rateText } from '../format.ts';
import { isPhased, latencyRows, type NamedArm, objectiveQuantile } from '../rows.ts';
import { errorText } from '../wording.ts';
import { html } from './markup.ts';
import { type Content, dataTable, legend, paragraph, perArm, type Section } from './parts.ts';

export function spectrumSection(arms: readonly NamedArm[]): Section | null {
  const chart = spectrumChart(arms);
  if (arms.length === 0 || arms.every(({ arm }) => arm.latency.count === 0)) return null;
  const notDrawn = [...new Set(arms.flatMap(({ arm }) => arm.slos))]
    .filter((slo) => slo.unit === 'us' && slo.scope === undefined)
    .filter((slo) => objectiveQuantile(slo.objective) === null)
    .map((slo) => slo.objective);
  const aside = [...new Set(notDrawn)].map(
    (text) => html` <code>${text}</code> is not a percentile and is not drawn.`,
  );
  const items = arms.map(({ name }) => ({ role: name, text: name }) as const);
  const hasSteps = sloSteps(arms.flatMap(({ arm }) => arm.slos)).length > 0;
  const stair = hasSteps ? [{ role: 'slo', text: 'SLO', shape: 'thin' } as const] : [];
  return {
    id: 'spectrum',
    title: 'Response time',
    body: html`${paragraph(`From the instant an operation was scheduled to its whole answer, over the judged phases. ${hasSteps ? 'A curve must stay under the stair. It' : 'A curve'} is dotted where too few samples lie beyond.`)}
<div class="beside${arms.length > 2 && ' stacked'}">${
      chart !== null &&
      html`<figure>${legend([...items, ...stair])}${chart}<figcaption>Percentile spectrum: the share of operations that were at most this slow.${aside}</figcaption></figure>`
    }<div>${latencyTable(arms)}</div></div>
${operations(arms)}`,
  };
}

function latencyTable(arms: readonly NamedArm[]): Content {
  const columns = [
    { title: 'Response time' },
    ...arms.map(({ name }) => ({
      title: html`<span class="${name}-ink">${name}</span>`,
      numeric: true,
    })),
  ];
  const cells = arms.map(({ arm }) => latencyRows(arm.latency));
  const rows = (cells[0] ?? []).map(({ label }, index) => [
    label,
    ...cells.map((column) => latencyCell(column[index]!.text)),
  ]);
  const totals: [string, (named: NamedArm) => string][] = [
    ['n', ({ arm }) => countText(arm.latency.count)],
    ['offered', ({ arm }) => rateText(arm.offeredPerSecond)],
    ['completed', ({ arm }) => rateText(arm.achievedPerSecond)],
    ['errors', ({ arm }) => errorText(arm)],
    [
      'service time, mean',
      ({ arm }) => (arm.serviceTime.count === 0 ? 'no data' : durationText(arm.serviceTime.meanUs)),
    ],
    ['send lag, p99', ({ arm }) => durationText(arm.lag.p99Us)],
  ];
  return dataTable(
    'Response time by arm',
    columns,
    rows,
    totals.map(([label, pick]) => [label, ...arms.map(pick)]),
  );
}

/** A missing percentile is not as loud as a number. */
function latencyCell(text: string): Content {
  const isNumber = /\d/.test(text);
  return html`<span class="${isNumber ? 'value' : 'muted'}">${text}</span>`;
}

function operations(arms: readonly NamedArm[]): Content {
  const rows = arms.flatMap(({ name, arm }) =>
    Object.entries(arm.operations).map(([operation, latency]) => [
      operation,
      name,
      ...latencyRows(latency).map(({ text }) => text),
      countText(latency.count),
    ]),
  );
  if (rows.length === 0) return null;
  const titles = ['mean', 'p50', 'p95', 'p99', 'p99.9', 'max', 'n'];
  const columns = [
    { title: 'Operation' },
    { title: 'Arm' },
    ...titles.map((title) => ({ title, numeric: true })),
  ];
  return html`<details><summary>By operation</summary>${dataTable('Response time by operation', columns, rows)}</details>`;
}

export function timelineSection(arms: readonly NamedArm[]): Section | null {
  const drawn = arms.filter(({ arm }) => arm.timeline.points.length > 0);
  if (drawn.length === 0) return null;
  const scale = sharedLatencyScale(drawn);
  const hasLimit = drawn.some(({ arm }) => sloSteps(arm.slos).length > 0);
  const stacked = isCrowded(drawn);
  const longest = drawn.reduce((most, named) =>
    named.arm.phases.length > most.arm.phases.length ? named : most,
  );
  return {
    id: 'timeline',
    title: 'Timeline',
    body: html`${paragraph('All arms share the latency axis; rates start at zero. The p99 of a second with few answers is its slowest answer.')}
<div class="keep${stacked && ' tall'}">${legend([
      { role: 'muted', text: 'offered', shape: 'dash' },
      ...drawn.flatMap(({ name }) => [
        { role: name, text: `${name}: completed, p99, in flight` } as const,
        { role: `${name}-soft`, text: `${name}: p50`, shape: 'thin' } as const,
      ]),
      ...(hasLimit ? [{ role: 'slo', text: 'p99 limit', shape: 'dash' } as const] : []),
      { role: 'idle', text: 'not judged', shape: 'hatched' },
      ...(drawn.some(({ arm }) => arm.faults.length > 0)
        ? [{ role: 'fault', text: 'fault', shape: 'box' } as const]
        : []),
    ])}
${stacked && html`<ol class="numbered">${longest.arm.phases.map(({ name }) => html`<li>${name}</li>`)}</ol>`}${perArm(drawn, (named) => timelineChart(named, scale, stacked), { stacked })}</div>
${phaseTable(drawn)}`,
  };
}

function phaseTable(arms: readonly NamedArm[]): Content {
  const rows = arms.flatMap(({ name, arm }) =>
    arm.phases.map((phase) => [
      phase.name,
      name,
      phase.judged ? 'judged' : 'shown only',
      phase.note,
      instantOffsetText(phase.startUs),
      instantOffsetText(phase.endUs),
    ]),
  );
  if (rows.length === 0 || isPhased(arms)) return null;
  const columns = [
    { title: 'Phase' },
    { title: 'Arm' },
    { title: 'Kind' },
    { title: 'What for' },
    { title: 'From', numeric: true },
    { title: 'To', numeric: true },
  ];
  return html`<details><summary>Phases</summary>${dataTable('Phases', columns, rows)}</details>`;
}

export function heatMapSection(arms: readonly NamedArm[]): Section | null {
  const scale = heatScale(arms);
  if (scale === null) return null;
  const drawn = arms.filter(({ arm }) => arm.heatMap !== null);
  const bucket = durationText(
    Math.max(...drawn.map(({ arm }) => thinHeatMap(arm.heatMap!).bucketUs)),
  ).replace('.0', '');
  const items = heatLegend(scale).map(
    (text, index) => ({ role: heatRole(index + 1), text, shape: 'box' }) as const,
  );
  return {
    id: 'heat',
    title: 'Latency heat maps',
    short: 'Heat maps',
    body: html`${paragraph(`Each cell counts the operations of ${bucket} in one band of latency. One colour scale and one latency axis for all arms.`)}
${legend(items)}${perArm(drawn, (named) => heatMapChart(named, scale))}`,
  };
}

export function errorSection(arms: readonly NamedArm[]): Section | null {
  if (arms.length === 0) return null;
  const causes = errorCauses(arms);
  const total = arms.reduce(
    (sum, { arm }) => sum + arm.outcomes.ok + arm.outcomes.fail + arm.outcomes.unknown,
    0,
  );
  const clean = causes.length === 0 && arms.every(({ arm }) => arm.errors.length === 0);
  if (clean) {
    if (total === 0) return null;
    return {
      id: 'errors',
      title: 'Errors',
      body: html`<p>No errors in ${countText(total)} operations.</p>`,
    };
  }
  const items = causes.map(
    (cause, index) => ({ role: seriesRole(index), text: oneLine(cause), shape: 'box' }) as const,
  );
  return {
    id: 'errors',
    title: 'Errors',
    body: html`${legend(items)}${perArm(arms, (named) => {
      const found = named.arm.errors.map(
        ({ cause, count }) => `${countText(count)} ${oneLine(cause)}`,
      );
      return html`${errorChart(named, causes)}<figcaption>${
        found.length === 0
          ? `No errors in ${errorText(named.arm).replace('0 of ', '')} operations.`
          : `${errorText(named.arm)}: ${found.join(', ')}.`
      }</figcaption>`;
    })}`,
  };
}
