/** Errors by cause and over time. */
import {
  type Block,
  numeric,
  paragraph,
  type ReportInput,
  type Section,
  table,
} from '../blocks.ts';
import { errorCauses, errorChart } from '../charts/errors.ts';
import { seriesLegend } from '../charts/palette.ts';
import { formatCount, oneLine } from '../format.ts';
import { byMedium } from '../inline.ts';
import type { NamedArm } from '../rows.ts';
import { formatErrors } from '../wording.ts';

export function errors({ arms }: ReportInput): Section | null {
  const causes = errorCauses(arms);
  const isClean = causes.length === 0 && arms.every(({ arm }) => arm.errors.length === 0);
  const counts = arms.map(
    ({ arm: { outcomes } }) => outcomes.ok + outcomes.fail + outcomes.unknown,
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (isClean && total === 0) return null;
  const none = paragraph(`No errors in ${formatCount(total)} operations.`);
  return {
    id: 'errors',
    title: byMedium('Errors', 'Errors by cause'),
    short: 'Errors',
    blocks: [isClean ? none : errorCharts(arms, causes)],
  };
}

function errorCharts(arms: readonly NamedArm[], causes: readonly string[]): Block {
  const rows = arms.flatMap(({ name, arm }) =>
    arm.errors.map(({ cause, count }) => [name, cause, formatCount(count)]),
  );
  const cleanArms = arms.filter(({ arm }) => arm.errors.length === 0).map(({ name }) => name);
  const caption = ({ arm }: NamedArm) => {
    const found = arm.errors.map(({ cause, count }) => `${formatCount(count)} ${oneLine(cause)}`);
    if (found.length > 0) return `${formatErrors(arm)}: ${found.join(', ')}.`;
    return `No errors in ${formatErrors(arm).replace('0 of ', '')} operations.`;
  };
  return {
    kind: 'charts',
    legend: seriesLegend(causes, 'box'),
    charts: arms.map((arm) => {
      return { arm, chart: () => errorChart(arm, causes), caption: caption(arm) };
    }),
    instead: [
      table('Errors by cause', ['Arm', 'Cause', ...numeric('Operations')], rows),
      cleanArms.length > 0 && paragraph(`No errors in ${cleanArms.join(' and ')}.`),
    ],
  };
}
