/** What a drill adds: every phase judged arm beside arm, every fault with its end, and what an operation costs. */
import type { PhaseSummary } from '../../sim/result.ts';
import { type FaultCell, faultRows } from '../fault-rows.ts';
import {
  bound,
  capitalized,
  durationText,
  instantOffsetText,
  measureText,
  percentileText,
  ratioText,
  relativeText,
} from '../format.ts';
import { costRows, figureRows, isPhased, type NamedArm, phaseRows } from '../rows.ts';
import { attemptsText, faultVerdict, together } from '../wording.ts';
import { html, type Markup } from './markup.ts';
import {
  armColumns,
  type Content,
  dataTable,
  paragraph,
  type Section,
  verdictOf,
} from './parts.ts';

export function phaseSection(arms: readonly NamedArm[]): Section | null {
  if (!isPhased(arms)) return null;
  const columns = [{ title: 'Phase' }, ...armColumns(arms, 'p99, p50, errors')];
  const body = phaseRows(arms).map(({ item, cells }, index) => [
    html`<span class="muted">${index + 1}</span> <b>${item.name}</b>${!item.judged && html` <span class="muted nowrap">not judged</span>`}<span class="note block limit">${item.note}</span>${faultsWithin(arms, item.name)}`,
    ...cells.map(phaseCell),
  ]);
  return {
    id: 'phases',
    title: 'Phases',
    body: html`${paragraph('Response time and errors of the operations scheduled in each phase. A retry belongs to its operation: the time runs until the last answer, and only the last outcome counts.')}
${dataTable('Phases by arm', columns, body)}`,
  };
}

/** Faults that took effect in a phase, unless the phase is called after them. */
function faultsWithin(arms: readonly NamedArm[], phase: string): Content {
  const found = arms.flatMap(({ arm }) => {
    const span = arm.phases.find(({ name }) => name === phase);
    if (span === undefined) return [];
    const within = arm.faults.filter(
      ({ startUs }) => startUs >= span.startUs && startUs < span.endUs,
    );
    return within.map(({ name }) => name).filter((name) => name !== phase);
  });
  const names = [...new Set(found)];
  return names.length > 0 && html`<span class="note block">fault: ${together(names)}</span>`;
}

function phaseCell(phase: PhaseSummary | null): Content {
  if (phase === null) return html`<span class="muted">not reached</span>`;
  const { load } = phase;
  if (load === null) return html`<span class="muted">no load</span>`;
  const { latency, errorRatio } = load;
  const retries = attemptsText(load);
  return html`<span class="value cell">${percentileText(latency.p99Us, 0.99, latency.count)}</span><span class="muted nowrap">p50 ${durationText(latency.p50Us)}</span><span class="under">${
    errorRatio === 0 ? 'no errors' : html`<b class="fail">${ratioText(errorRatio)} errors</b>`
  }${retries !== '' && `, ${retries}`}</span>`;
}

export function faultSection(arms: readonly NamedArm[]): Section | null {
  const rows = faultRows(arms);
  if (rows.length === 0) return null;
  const body = rows.map(({ id, cells }) => [id, ...cells.map(faultCell)]);
  const notes = new Set(arms.flatMap(({ arm }) => arm.recovery.map(({ note }) => note)));
  return {
    id: 'faults',
    title: 'Faults and recovery',
    short: 'Faults',
    body: html`${paragraph('Every fault is applied, seen to take effect, undone, and proven undone by a probe. Times are from the start of the arm.')}
${dataTable('Faults by arm', [{ title: 'Fault' }, ...armColumns(arms)], body)}
${[...notes].map((note) => html`<p class="note below">${note}</p>`)}`,
  };
}

function faultCell(fault: FaultCell | null): Content {
  if (fault === null) return html`<span class="muted">not reached</span>`;
  const { startUs, endUs, ending, detail, recovery } = fault;
  const span = `${instantOffsetText(startUs)} to ${instantOffsetText(endUs)}`;
  const parts = recovery === '' ? [] : recovery.split(', ');
  return html`${verdictOf(faultVerdict(fault), ending)} <span class="muted nowrap">${span}</span>${parts.map(
    (part) => html`<span class="note block">${never(bound(part))}</span>`,
  )}<span class="note block">${detail}</span>`;
}

/** What never came must not be overlooked between numbers. */
function never(part: string): Content {
  return part.startsWith('detected') || !part.endsWith('never')
    ? part
    : html`${part.replace(/never$/, '')}<b class="fail">never</b>`;
}

export function costSection(arms: readonly NamedArm[]): Section | null {
  const rows = costRows(arms);
  if (rows.length === 0) return null;
  const columns = [{ title: 'Per operation' }, ...armColumns(arms)];
  const base = arms.findIndex(({ name }) => name === 'before');
  const body = rows.map(({ item, cells }) => [
    item.label,
    ...cells.map((cell, index) => {
      if (cell === null) return null;
      const factor = index === base ? null : relativeText(cell.value, cells[base]?.value ?? null);
      return html`<span class="value cell">${measureText(cell.value, cell.unit)}</span>${
        factor !== null && html`<span class="muted nowrap">${factor}</span>`
      }`;
    }),
  ]);
  return {
    id: 'costs',
    title: 'Cost per operation',
    short: 'Cost',
    body: html`${paragraph(`Counted by PostgreSQL, Redis and the kernel while nothing was broken${base < 0 ? '' : '; beside each, how it compares with before'}.`)}
${dataTable('Cost per operation by arm', columns, body)}`,
  };
}

/** The numbers the checkers measured, beside the verdicts they gave. */
export function figureTable(arms: readonly NamedArm[]): Markup | null {
  const rows = figureRows(arms);
  if (rows.length === 0) return null;
  const body = rows.map(({ item, cells }) => [
    capitalized(item.label),
    ...cells.map(
      (cell) =>
        cell !== null && html`<span class="value">${measureText(cell.value, cell.unit)}</span>`,
    ),
  ]);
  return dataTable('Figures by arm', [{ title: 'Measured' }, ...armColumns(arms)], body);
}
