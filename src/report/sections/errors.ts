/** Errors by cause and over time. */
import { type Block, numeric, paragraph, type Run, type Section, table } from '../blocks.ts';
import { errorCauses, errorChart } from '../charts/errors.ts';
import { seriesLegend } from '../charts/palette.ts';
import { countText, oneLine } from '../format.ts';
import { byMedium } from '../inline.ts';
import type { NamedArm } from '../rows.ts';
import { errorText } from '../wording.ts';

export function errors({ arms }: Run): Section | null {
  const causes = errorCauses(arms);
  const isClean = causes.length === 0 && arms.every(({ arm }) => arm.errors.length === 0);
  const counts = arms.map(
    ({ arm: { outcomes } }) => outcomes.ok + outcomes.fail + outcomes.unknown,
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (isClean && total === 0) return null;
  const none = paragraph(`No errors in ${countText(total)} operations.`);
  return {
    id: 'errors',
    title: byMedium('Errors', 'Errors by cause'),
    short: 'Errors',
    blocks: [isClean ? none : charts(arms, causes)],
  };
}

function charts(arms: readonly NamedArm[], causes: readonly string[]): Block {
  const rows = arms.flatMap(({ name, arm }) =>
    arm.errors.map(({ cause, count }) => [name, cause, countText(count)]),
  );
  const clean = arms.filter(({ arm }) => arm.errors.length === 0).map(({ name }) => name);
  const caption = ({ arm }: NamedArm) => {
    const found = arm.errors.map(({ cause, count }) => `${countText(count)} ${oneLine(cause)}`);
    if (found.length > 0) return `${errorText(arm)}: ${found.join(', ')}.`;
    return `No errors in ${errorText(arm).replace('0 of ', '')} operations.`;
  };
  return {
    kind: 'figures',
    legend: seriesLegend(causes, 'box'),
    charts: arms.map((arm) => {
      return { arm, chart: () => errorChart(arm, causes), caption: caption(arm) };
    }),
    instead: [
      table('Errors by cause', ['Arm', 'Cause', ...numeric('Operations')], rows),
      clean.length > 0 && paragraph(`No errors in ${clean.join(' and ')}.`),
    ],
  };
}
