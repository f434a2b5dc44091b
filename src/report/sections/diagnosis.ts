/** Why an arm is slow, from the system's own instruments. */
import type { Diagnosis } from '../../sim/result.ts';
import type { Block, Group, Pair, SectionSpec, Table } from '../blocks.ts';
import { countText, durationText, ratioText } from '../format.ts';
import { byMedium, code, type Share, strong, styled } from '../inline.ts';
import type { NamedArm } from '../rows.ts';

export const diagnosis: SectionSpec = {
  id: 'diagnosis',
  render: ({ arms }) => {
    const found = arms.filter(({ arm }) => arm.diagnosis !== null);
    if (found.length === 0) return null;
    return {
      title: 'Diagnosis',
      blocks: found.flatMap(({ name, arm }) => blocksOf(name, arm.diagnosis!)),
      console: { facts: [{ kind: 'pairs', pairs: found.flatMap(culprit) }] },
    };
  },
};

function blocksOf(name: NamedArm['name'], found: Diagnosis): (Block | null | false)[] {
  const { finding, queries, plan, waits, ruledOut } = found;
  const delays = delaysOf(found);
  const measured: Group = {
    heading: 'What busy backends did',
    blocks: [
      waits.length > 0 && waitTable(waits),
      delays.length > 0 && {
        kind: 'paragraph',
        content: `${delays.map(({ short, text }) => `${short} ${text}`).join(', ')}.`,
        media: ['markdown'],
      },
    ],
  };
  const excluded: Group = {
    heading: 'Ruled out',
    blocks: ruledOut.length === 0 ? [] : ruledOutBlocks(ruledOut),
  };
  const waiting: Group = {
    heading: 'Waiting in the service',
    blocks: [
      delays.length > 0 && {
        kind: 'pairs',
        pairs: delays.map(({ label, text }) => ({ label, content: text })),
        media: ['html'],
      },
    ],
  };
  return [
    { kind: 'lead', arm: name, text: finding },
    queries.length > 0 && queryTable(queries),
    plan && planDetails(plan),
    { kind: 'columns', columns: [[measured], [excluded, waiting]] },
  ];
}

function queryTable(queries: Diagnosis['queries']): Table {
  return {
    kind: 'table',
    label: 'Statements by time',
    columns: [
      { title: 'Statement' },
      {
        title: byMedium({ html: 'Share of statement time', markdown: 'share of time' }),
        isShare: true,
      },
      { title: 'Calls', isNumeric: true },
      { title: 'Mean', isNumeric: true },
      { title: 'Rows per call', isNumeric: true, media: ['html'] },
    ],
    rows: queries.map((query) => ({
      cells: [
        [styled('statement', query.query), query.culprit && styled('tag', 'culprit')],
        shareOf(query.share, query.culprit),
        countText(query.calls),
        durationText(query.meanMs * 1_000),
        countText(query.rowsPerCall),
      ],
    })),
  };
}

function planDetails({ node, rowsRemoved, text }: NonNullable<Diagnosis['plan']>): Block {
  const rows = `, ${countText(rowsRemoved)} rows read and`;
  return {
    kind: 'details',
    summary: byMedium({
      html: ['Plan of the top statement: ', strong(node), `${rows} thrown away on each call`],
      markdown: ['Plan: ', code(node), `${rows} discarded.`],
    }),
    isOpen: true,
    body: { kind: 'code', text },
  };
}

function waitTable(waits: Diagnosis['waits']): Table {
  return {
    kind: 'table',
    label: 'Wait events',
    columns: [
      { title: byMedium({ html: 'Event', markdown: 'Busy backends' }) },
      { title: 'Share of samples', isShare: true },
      { title: 'Samples', isNumeric: true },
    ],
    rows: waits.map(({ event, share, samples }) => ({
      cells: [event, shareOf(share, false), countText(samples)],
    })),
  };
}

function ruledOutBlocks(ruledOut: Diagnosis['ruledOut']): Block[] {
  return [
    {
      kind: 'pairs',
      pairs: ruledOut.map(({ cause, evidence }) => ({
        label: cause,
        content: styled('prose', evidence),
      })),
      media: ['html'],
    },
    {
      kind: 'list',
      items: ruledOut.map(({ cause, evidence }) => ({
        content: ['ruled out: ', strong(cause), '. ', evidence],
      })),
      media: ['markdown'],
    },
  ];
}

function shareOf(share: number, isAlarming: boolean): Share {
  return { share, text: ratioText(share), isAlarming };
}

function delaysOf({ poolWaitP99Us, eventLoopDelayP99Us }: Diagnosis) {
  const delays = [
    { label: 'wait for a pooled connection, p99', short: 'pool wait p99', us: poolWaitP99Us },
    { label: 'event loop delay, p99', short: 'event loop delay p99', us: eventLoopDelayP99Us },
  ];
  return delays
    .filter(({ us }) => us !== null)
    .map(({ label, short, us }) => ({ label, short, text: durationText(us) }));
}

/** Two lines: how much and how, and the statement itself as far as it fits. */
function culprit({ name, arm }: NamedArm): Pair[] {
  const query = arm.diagnosis?.queries.find((one) => one.culprit);
  if (query === undefined) return [];
  const node = arm.diagnosis?.plan?.node;
  const why = `${ratioText(query.share)} of statement time${node === undefined ? '' : `, ${node}`}`;
  return [
    { label: 'culprit', content: why, arm: name },
    { label: '', content: styled('faint', query.query), isOneLine: true, arm: name },
  ];
}
