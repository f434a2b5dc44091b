/** Why the numbers may be believed, and how to get them again. */
import type { Result } from '../../sim/result.ts';
import { countText, durationText, percentText } from '../format.ts';
import { type NamedArm, validityRows } from '../rows.ts';
import { definitions, environmentRows, noiseText, validityMark } from '../wording.ts';
import { html } from './markup.ts';
import { dataTable, pairs, paragraph, type Section } from './parts.ts';

export function validitySection(arms: readonly NamedArm[]): Section | null {
  const rows = validityRows(arms);
  if (rows.length === 0) return null;
  const columns = [
    { title: 'Condition' },
    { title: 'Limit' },
    ...arms.map(({ name }) => ({ title: html`<span class="${name}-ink">${name}</span>` })),
    { title: 'If it fails' },
  ];
  const body = rows.map(({ item, cells }) => [
    item.statement,
    item.limit,
    ...cells.map((cell) => {
      if (cell === null) return '';
      const tone = cell.ok ? 'pass' : cell.severity === 'warn' ? 'unknown' : 'fail';
      return html`<span class="verdict ${tone}">${validityMark(cell)}</span> ${cell.measured}`;
    }),
    item.severity === 'warn' ? 'shown only' : 'the verdict is unknown',
  ]);
  return {
    id: 'validity',
    title: 'Validity',
    body: html`${paragraph('Conditions the run itself must meet before its numbers mean anything.')}${dataTable('Validity checks', columns, body)}`,
  };
}

export function calibrationSection(arms: readonly NamedArm[]): Section | null {
  const rows = arms.flatMap(({ name, arm }) =>
    arm.calibration.map((step, index) => [
      `${name}, step ${index + 1}`,
      countText(step.users),
      percentText(step.cpuPercent),
      durationText(step.meanUs),
      step.note,
    ]),
  );
  if (rows.length === 0) return null;
  const columns = [
    { title: 'Step' },
    { title: 'Users', numeric: true },
    { title: 'Database CPU', numeric: true },
    { title: 'Mean', numeric: true },
    { title: 'Outcome' },
  ];
  return {
    id: 'calibration',
    title: 'Calibration',
    body: html`${paragraph('The search for the population that loads the database as documented. Open arrivals do not repeat near saturation; a finite population with think time does.')}${dataTable('Calibration steps', columns, rows)}`,
  };
}

export function reproduceSection(result: Result, arms: readonly NamedArm[]): Section {
  const noise = arms.map(({ name, arm }) => [`noise floor of ${name}`, noiseText(arm)] as const);
  return {
    id: 'reproduce',
    title: 'Reproduce',
    body: html`<pre tabindex="0">${result.command}</pre>
<div class="facts" style="margin-top:24px"><div><h3>Environment</h3>${pairs([...environmentRows(result), ...noise])}</div>
<div><h3>Words</h3>${pairs(definitions(arms), 'words')}</div></div>`,
  };
}
