/** The top of every report: verdict, question, key figures. */
import {
  type Block,
  list,
  onlyFor,
  type Paragraph,
  pairs,
  paragraph,
  type ReportInput,
  type Section,
} from '../blocks.ts';
import {
  capitalize,
  formatCount,
  formatDuration,
  formatMeasure,
  formatPercent,
  formatPercentile,
  formatRate,
  formatTimes,
} from '../format.ts';
import { byMedium, type Inline, styled } from '../inline.ts';
import { costRows, figureRows, type NamedArm } from '../rows.ts';

export function verdict({ result, arms }: ReportInput): Section {
  const headline = { kind: 'headline', result } as const;
  const { aborted, quick, failed, scaleNote, title } = result;
  const ids = failed.map((id, index): Inline => [index > 0 && ', ', styled('code', id)]);
  const partial = byMedium(
    'The run was interrupted; this report covers only the part before that.',
    'This report is partial.',
  );
  const question = ['Question', styled('prose', result.question)] as const;
  const situation = styled('prose', result.situation);
  const unexpected = `not as expected: ${failed.join(', ')}`;
  return {
    id: 'verdict',
    blocks: [
      headline,
      aborted && banner('alert', 'Aborted.', partial),
      quick && banner('banner', 'Quick run.', scaleNote),
      failed.length > 0 && banner('alert', 'Not as expected:', ids),
      onlyFor('html', pairs([[title, situation], question], 'lede')),
      onlyFor('markdown', pairs([question, ['Situation', situation]], 'lede')),
      onlyFor('html', comparedFigures(arms) ?? keyFigures(arms)),
      onlyFor('markdown', { kind: 'arms', arms, failed }),
    ],
    console: {
      verdict: [headline],
      problems: [failed.length > 0 && list([[styled('bad', unexpected)]])],
    },
  };
}

function banner(style: Paragraph['style'], label: string, content: Inline): Paragraph {
  return paragraph([styled('strong', label), ' ', content], style);
}

const MAX_FIGURES = 6;

/**
 * Figures of the checkers, all arms side by side. Null if the checkers measured none, and where an incident is documented
 * in figures of its own: its latency and CPU are the question.
 */
function comparedFigures(arms: readonly NamedArm[]): Block | null {
  if (arms.some(({ arm }) => arm.documented.length > 0)) return null;
  const figures = figureRows(arms).slice(0, MAX_FIGURES);
  if (figures.length === 0) return null;
  const each = (texts: readonly (string | null)[]): Inline =>
    arms.map(({ name }, index) => {
      const text = texts[index] ?? null;
      return text !== null && { style: 'ink', arm: name, content: [text, styled('small', name)] };
    });
  const cost = costRows(arms)
    .slice(0, 1)
    .map(({ item, cells }) => {
      return { item: { ...item, label: `${item.label} per operation` }, cells };
    });
  const measured = [...figures, ...cost].map(({ item, cells }) => {
    const texts = cells.map((cell) => cell && formatMeasure(cell.value, cell.unit));
    return [capitalize(item.label), each(texts)] as const;
  });
  const p99 = ['p99 response time, judged phases', each(arms.map(p99Text))] as const;
  return pairs([...measured, p99], 'keys compared');
}

/** Before and after: p99, mean, CPU, traffic held. */
function keyFigures(arms: readonly NamedArm[]): Block {
  const from = arms.find(({ name }) => name === 'before');
  const to = arms.find(({ name }) => name === 'after');
  const measured = [from, to].flatMap((named) =>
    named && named.arm.latency.count > 0 ? [named] : [],
  );
  const [first] = measured;
  if (first === undefined) return pairs([]);
  const change = (pick: (named: NamedArm) => string): Inline => [
    from && styled('from', pick(from)),
    from && to && styled('arrow', '→'),
    to && styled('to', pick(to)),
  ];
  const n = measured.map(({ arm }) => formatCount(arm.latency.count)).join(' and ');
  const samples = styled('small', `n = ${n}`);
  const mean = ({ arm: { latency } }: NamedArm) =>
    latency.count === 0 ? 'no data' : formatDuration(latency.meanUs);
  const busiest = busiestProcess(first);
  const cpu = ({ arm }: NamedArm) =>
    formatPercent(arm.resources[busiest ?? '']?.cpuPercent ?? null);
  const ofCore = styled('small', `of one core${measured.length > 1 ? ', same load' : ''}`);
  const rows: [string, Inline][] = [
    ['p99 response time', [change(p99Text), samples]],
    ['Mean response time', [change(mean), samples]],
  ];
  if (busiest !== undefined) rows.push([`CPU of ${busiest}`, [change(cpu), ofCore]]);
  return pairs([...rows, ...heldRate(to ?? first)], 'keys');
}

function heldRate({ arm }: NamedArm): [string, Inline][] {
  const rate = arm.capacity?.holdsPerSecond ?? null;
  if (rate === null) return [];
  const times = arm.capacity?.timesBefore ?? null;
  const note = times === null ? 'highest step that held' : `at least ${formatTimes(times)} before`;
  return [['Traffic held within the SLOs', [formatRate(rate), styled('small', note)]]];
}

function p99Text({ arm: { latency } }: NamedArm): string {
  return formatPercentile(latency.p99Us, 0.99, latency.count);
}

function busiestProcess({ arm }: NamedArm): string | undefined {
  const ranked = Object.entries(arm.resources).sort(([, a], [, b]) => b.cpuPercent - a.cpuPercent);
  return ranked[0]?.[0];
}
