/** What was promised and what came of it: SLOs, the documented incident, invariants. */
import type { InvariantResult, SloResult } from '../../sim/result.ts';
import { bound, countText, measureText, sentence } from '../format.ts';
import { documentedRows, invariantRows, type NamedArm, sloRows } from '../rows.ts';
import { bandText, expectationText, figureText, measured } from '../wording.ts';
import { figureTable } from './drill.ts';
import { html } from './markup.ts';
import {
  armColumns,
  type Content,
  dataTable,
  paragraph,
  type Section,
  verdictOf,
} from './parts.ts';

export function sloSection(arms: readonly NamedArm[]): Section | null {
  const rows = sloRows(arms);
  if (rows.length === 0) return null;
  const columns = [{ title: 'Objective' }, { title: 'Limit', limit: true }, ...armColumns(arms)];
  const body = rows.map(({ item, cells }) => [
    html`<code>${item.objective}</code>${item.scope !== undefined && html`<span class="note block">${item.scope}</span>`}`,
    measureText(item.limit, item.unit),
    ...cells.map(sloCell),
  ]);
  return {
    id: 'slos',
    title: 'SLOs',
    body: html`${dataTable('Service level objectives', columns, body)}
<div class="arms text">${arms.map(
      ({
        name,
        arm,
      }) => html`<div><p><b class="${name}-ink">${name}</b> ${verdictOf(arm.verdict, expectationText(arm))}</p>
<p class="note">${bound(sentence(arm.reason))} <span class="nowrap">Design <code>${arm.design}</code>.</span> ${arm.description}</p></div>`,
    )}</div>`,
  };
}

function sloCell(slo: SloResult | null): Content {
  if (slo === null) return null;
  return html`<span class="value cell">${measured(slo)}</span> ${verdictOf(slo.verdict)}<span class="under">n = ${countText(slo.samples)}</span>${because(slo.reason)}`;
}

function because(reason: string | undefined): Content {
  return reason !== undefined && html`<span class="note">${reason}</span>`;
}

export function documentedSection(arms: readonly NamedArm[]): Section | null {
  const rows = documentedRows(arms);
  if (rows.length === 0) return null;
  const columns = [
    { title: 'Figure' },
    { title: 'Documented', numeric: true },
    { title: 'Reproduced', numeric: true },
    { title: 'Accepted band', numeric: true },
    { title: 'Verdict' },
  ];
  const word = { pass: 'same incident', fail: 'not the same', unknown: 'unknown' } as const;
  const body = rows.map((figure) => [
    html`${figure.label} <span class="muted">(${figure.arm})</span>`,
    figureText(figure, figure.documented),
    html`<span class="value">${figureText(figure, figure.reproduced)}</span>`,
    bandText(figure),
    verdictOf(figure.verdict, word[figure.verdict]),
  ]);
  return {
    id: 'documented',
    title: 'Documented and reproduced',
    short: 'Documented',
    body: html`${paragraph('The incident report beside this run. Outside the band it would be another incident, and nothing learned here would apply.')}
${dataTable('Documented and reproduced figures', columns, body)}`,
  };
}

export function invariantSection(arms: readonly NamedArm[]): Section | null {
  const rows = invariantRows(arms);
  if (rows.length === 0) return null;
  const columns = [{ title: 'Statement' }, ...armColumns(arms)];
  const body = rows.map(({ item, cells }) => [item.statement, ...cells.map(invariantCell)]);
  const witnesses = rows.flatMap(({ cells }) =>
    cells.map((cell, index) => witnessOf(cell, arms[index]!.name)),
  );
  return {
    id: 'invariants',
    title: 'Invariants',
    body: html`${dataTable('Invariants', columns, body)}${figureTable(arms)}${witnesses}`,
  };
}

function invariantCell(cell: InvariantResult | null): Content {
  if (cell === null) return null;
  const violations = `${countText(cell.violations)} ${cell.violations === 1 ? 'violation' : 'violations'}`;
  return html`${verdictOf(cell.verdict)}<span class="under">${countText(cell.checked)} checked, ${violations}</span>${because(cell.reason)}`;
}

function witnessOf(cell: InvariantResult | null, arm: string): Content {
  if (cell === null || cell.witness.length === 0) return null;
  const lines = cell.witness.map((item) => JSON.stringify(item)).join('\n');
  return html`<details${cell.verdict === 'fail' && html` open`}><summary>Witnesses of ${cell.id} in ${arm}: ${countText(cell.witness.length)}</summary><pre>${lines}</pre></details>`;
}
