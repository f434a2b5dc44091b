/** The top of every report: what a reader takes away in ten seconds. */
import {
  type Block,
  list,
  only,
  type Paragraph,
  pairs,
  paragraph,
  type Run,
  type Section,
} from '../blocks.ts';
import {
  capitalized,
  countText,
  durationText,
  measureText,
  percentileText,
  percentText,
  rateText,
  timesText,
} from '../format.ts';
import { byMedium, type Inline, styled } from '../inline.ts';
import { costRows, figureRows, type NamedArm } from '../rows.ts';

export function verdict({ result, arms }: Run): Section {
  const headline = { kind: 'headline', result } as const;
  const { aborted, quick, failed, scaleNote, title } = result;
  const ids = failed.map((id, index): Inline => [index > 0 && ', ', styled('code', id)]);
  const partial = byMedium(
    'The run was interrupted; this report shows what there was until then.',
    'This report is partial.',
  );
  const question = ['Question', styled('prose', result.question)] as const;
  const situation = styled('prose', result.situation);
  const unexpected = `against expectation: ${failed.join(', ')}`;
  return {
    id: 'verdict',
    blocks: [
      headline,
      aborted && banner('alert', 'Aborted.', partial),
      quick && banner('banner', 'Quick run.', scaleNote),
      failed.length > 0 && banner('alert', 'Failed against expectation:', ids),
      only('html', pairs([[title, situation], question], 'lede')),
      only('markdown', pairs([question, ['Situation', situation]], 'lede')),
      only('html', comparedFigures(arms) ?? keyFigures(arms)),
      only('markdown', { kind: 'arms', arms }),
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

/** Most figures of checkers that the top of the page shows. */
const MOST_FIGURES = 6;

/** Every arm side by side, where what the checkers measured is the point of the run. */
function comparedFigures(arms: readonly NamedArm[]): Block | null {
  const figures = figureRows(arms).slice(0, MOST_FIGURES);
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
    const texts = cells.map((cell) => cell && measureText(cell.value, cell.unit));
    return [capitalized(item.label), each(texts)] as const;
  });
  const p99 = ['p99 response time, judged phases', each(arms.map(p99Text))] as const;
  return pairs([...measured, p99], 'keys compared');
}

/** Before and after of the figures the incident is about, largest first in meaning: p99, mean, CPU, traffic held. */
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
  const n = measured.map(({ arm }) => countText(arm.latency.count)).join(' and ');
  const samples = styled('small', `n = ${n}`);
  const mean = ({ arm: { latency } }: NamedArm) =>
    latency.count === 0 ? 'no data' : durationText(latency.meanUs);
  const busiest = busiestProcess(first);
  const cpu = ({ arm }: NamedArm) => percentText(arm.resources[busiest ?? '']?.cpuPercent ?? null);
  const ofCore = styled('small', `of one core${measured.length > 1 ? ', same load' : ''}`);
  const rows: [string, Inline][] = [
    ['p99 response time', [change(p99Text), samples]],
    ['Mean response time', [change(mean), samples]],
  ];
  if (busiest !== undefined) rows.push([`CPU of ${busiest}`, [change(cpu), ofCore]]);
  return pairs([...rows, ...held(to ?? first)], 'keys');
}

function held({ arm }: NamedArm): [string, Inline][] {
  const rate = arm.capacity?.holdsPerSecond ?? null;
  if (rate === null) return [];
  const times = arm.capacity?.timesBefore ?? null;
  const note = times === null ? 'highest step that held' : `at least ${timesText(times)} before`;
  return [['Traffic held within the SLOs', [rateText(rate), styled('small', note)]]];
}

function p99Text({ arm: { latency } }: NamedArm): string {
  return percentileText(latency.p99Us, 0.99, latency.count);
}

function busiestProcess({ arm }: NamedArm): string | undefined {
  const ranked = Object.entries(arm.resources).sort(([, a], [, b]) => b.cpuPercent - a.cpuPercent);
  return ranked[0]?.[0];
}
