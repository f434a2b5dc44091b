/** Errors by cause and over time. */
import type { Block, SectionSpec } from '../blocks.ts';
import { errorCauses, errorChart } from '../charts/errors.ts';
import { seriesLegend } from '../charts/palette.ts';
import { countText, oneLine } from '../format.ts';
import { byMedium } from '../inline.ts';
import type { NamedArm } from '../rows.ts';
import { errorText } from '../wording.ts';

export const errors: SectionSpec = {
  id: 'errors',
  render: ({ arms }) => {
    const causes = errorCauses(arms);
    const isClean = causes.length === 0 && arms.every(({ arm }) => arm.errors.length === 0);
    const total = arms.reduce((sum, { arm }) => sum + operationsOf(arm), 0);
    if (isClean && total === 0) return null;
    const none = `No errors in ${countText(total)} operations.`;
    return {
      title: byMedium({ html: 'Errors', markdown: 'Errors by cause' }),
      short: 'Errors',
      blocks: isClean ? [{ kind: 'paragraph', content: none }] : [charts(arms, causes)],
    };
  },
};

function operationsOf({ outcomes }: NamedArm['arm']): number {
  return outcomes.ok + outcomes.fail + outcomes.unknown;
}

function charts(arms: readonly NamedArm[], causes: readonly string[]): Block {
  const rows = arms.flatMap(({ name, arm }) =>
    arm.errors.map(({ cause, count }) => ({ cells: [name, cause, countText(count)] })),
  );
  const clean = arms.filter(({ arm }) => arm.errors.length === 0).map(({ name }) => name);
  return {
    kind: 'figures',
    legend: seriesLegend(causes, 'box'),
    charts: arms.map((arm) => ({
      arm,
      chart: () => errorChart(arm, causes),
      caption: captionOf(arm),
    })),
    instead: [
      rows.length > 0 && {
        kind: 'table',
        label: 'Errors by cause',
        columns: [{ title: 'Arm' }, { title: 'Cause' }, { title: 'Operations', isNumeric: true }],
        rows,
      },
      clean.length > 0 && { kind: 'paragraph', content: `No errors in ${clean.join(' and ')}.` },
    ],
  };
}

function captionOf({ arm }: NamedArm): string {
  const found = arm.errors.map(({ cause, count }) => `${countText(count)} ${oneLine(cause)}`);
  if (found.length > 0) return `${errorText(arm)}: ${found.join(', ')}.`;
  return `No errors in ${errorText(arm).replace('0 of ', '')} operations.`;
}
