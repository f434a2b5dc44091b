/** The top of every report: what a reader takes away in ten seconds. */
import type { Result } from '../../sim/result.ts';
import type { Block, Pair, Paragraph, SectionSpec } from '../blocks.ts';
import {
  capitalized,
  countText,
  durationText,
  instantText,
  measureText,
  percentileText,
  percentText,
  rateText,
  timesText,
} from '../format.ts';
import { byMedium, code, type Inline, strong, styled } from '../inline.ts';
import { costRows, figureRows, type NamedArm } from '../rows.ts';
import { exitText } from '../wording.ts';

export const verdict: SectionSpec = {
  id: 'verdict',
  render: ({ result, arms }) => {
    const headline = headlineOf(result);
    const { failed } = result;
    const ids = failed.map((id, index): Inline => [index > 0 && ', ', code(id)]);
    const partial = byMedium({
      html: 'The run was interrupted; this report shows what there was until then.',
      markdown: 'This report is partial.',
    });
    const question: Pair = { label: 'Question', content: styled('prose', result.question) };
    const situation = styled('prose', result.situation);
    return {
      blocks: [
        headline,
        result.aborted && banner('alert', 'Aborted.', partial),
        result.quick && banner('banner', 'Quick run.', result.scaleNote),
        failed.length > 0 && banner('alert', 'Failed against expectation:', ids),
        {
          kind: 'pairs',
          style: 'lede',
          pairs: [{ label: result.title, content: situation }, question],
          media: ['html'],
        },
        {
          kind: 'pairs',
          style: 'lede',
          pairs: [question, { label: 'Situation', content: situation }],
          media: ['markdown'],
        },
        comparedFigures(arms) ?? keyFigures(arms),
        arms.length > 0 && { kind: 'arms', arms, media: ['markdown'] },
      ],
      console: {
        verdict: [headline],
        problems: [
          failed.length > 0 && {
            kind: 'list',
            items: [{ content: `against expectation: ${failed.join(', ')}`, tone: 'bad' }],
          },
        ],
      },
    };
  },
};

function headlineOf(result: Result): Block {
  const { scenario, title, sentence, aborted, quick } = result;
  return {
    kind: 'headline',
    verdict: result.verdict,
    sentence,
    scenario,
    title,
    exit: exitText(result.exitCode),
    run: `${instantText(result.startedAt)}, run ${result.runId}`,
    marks: [
      ...(aborted ? ['aborted: this result is partial'] : []),
      ...(quick ? ['quick run'] : []),
    ],
  };
}

function banner(style: 'banner' | 'alert', label: string, content: Inline): Paragraph {
  return { kind: 'paragraph', style, content: [strong(label), ' ', content] };
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
  const [cost] = costRows(arms);
  const rows = [
    ...figures.map(({ item, cells }) => ({ label: item.label, cells })),
    ...(cost === undefined
      ? []
      : [{ label: `${cost.item.label} per operation`, cells: cost.cells }]),
  ];
  const measured = rows.map(({ label, cells }) => ({
    label: capitalized(label),
    content: each(cells.map((cell) => cell && measureText(cell.value, cell.unit))),
  }));
  const p99 = arms.map(({ arm }) => percentileText(arm.latency.p99Us, 0.99, arm.latency.count));
  return {
    kind: 'pairs',
    style: 'keys compared',
    pairs: [...measured, { label: 'p99 response time, judged phases', content: each(p99) }],
    media: ['html'],
  };
}

/** Before and after of the figures the incident is about, largest first in meaning: p99, mean, CPU, traffic held. */
function keyFigures(arms: readonly NamedArm[]): Block | null {
  const from = arms.find(({ name }) => name === 'before');
  const to = arms.find(({ name }) => name === 'after');
  const measured = [from, to]
    .filter((named) => named !== undefined)
    .filter(({ arm }) => arm.latency.count > 0);
  if (measured.length === 0) return null;
  const change = (pick: (named: NamedArm) => string): Inline => [
    from && styled('from', pick(from)),
    from && to && styled('arrow', '→'),
    to && styled('to', pick(to)),
  ];
  const n = measured.map(({ arm }) => countText(arm.latency.count)).join(' and ');
  const samples = styled('small', `n = ${n}`);
  const p99 = ({ arm }: NamedArm) => percentileText(arm.latency.p99Us, 0.99, arm.latency.count);
  const mean = ({ arm }: NamedArm) =>
    arm.latency.count === 0 ? 'no data' : durationText(arm.latency.meanUs);
  const busiest = busiestProcess(measured[0]!);
  const cpu = ({ arm }: NamedArm) => percentText(arm.resources[busiest ?? '']?.cpuPercent ?? null);
  const same = measured.length > 1 ? ', same load' : '';
  return {
    kind: 'pairs',
    style: 'keys',
    pairs: [
      { label: 'p99 response time', content: [change(p99), samples] },
      { label: 'Mean response time', content: [change(mean), samples] },
      busiest !== null && {
        label: `CPU of ${busiest}`,
        content: [change(cpu), styled('small', `of one core${same}`)],
      },
      held(to ?? from!),
    ],
    media: ['html'],
  };
}

function held({ arm }: NamedArm): Pair | null {
  const rate = arm.capacity?.holdsPerSecond ?? null;
  if (rate === null) return null;
  const times = arm.capacity?.timesBefore ?? null;
  const note = times === null ? 'highest step that held' : `at least ${timesText(times)} before`;
  return {
    label: 'Traffic held within the SLOs',
    content: [rateText(rate), styled('small', note)],
  };
}

function busiestProcess({ arm }: NamedArm): string | null {
  const ranked = Object.entries(arm.resources).sort(([, a], [, b]) => b.cpuPercent - a.cpuPercent);
  return ranked[0]?.[0] ?? null;
}
