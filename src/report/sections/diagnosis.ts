/** Why an arm is slow, from the statistics of PostgreSQL and the service. */
import type { Diagnosis } from '../../sim/result.ts';
import {
  type Blocks,
  details,
  list,
  numeric,
  onlyFor,
  pairs,
  paragraph,
  type ReportInput,
  type Section,
  table,
} from '../blocks.ts';
import { formatCount, formatDuration, formatRatio } from '../format.ts';
import { byMedium, type Inline, type Proportion, styled } from '../inline.ts';
import type { NamedArm } from '../rows.ts';

export function diagnosis({ arms }: ReportInput): Section | null {
  const found = arms.filter(({ arm }) => arm.diagnosis !== null);
  if (found.length === 0) return null;
  return {
    id: 'diagnosis',
    title: 'Diagnosis',
    blocks: found.flatMap(({ name, arm }) => blocksOf(name, arm.diagnosis!)),
    console: { facts: [pairs(found.flatMap(culpritFact))] },
  };
}

function blocksOf(arm: NamedArm['name'], found: Diagnosis): Blocks {
  const { finding, plan, ruledOut } = found;
  const delays = delaysOf(found);
  const short = delays.map(({ brief, text }) => `${brief} ${text}`).join(', ');
  const excluded = ruledOut.map(({ cause, evidence }): [string, Inline] => {
    return [cause, styled('prose', evidence)];
  });
  const excludedItems = ruledOut.map(({ cause, evidence }): [Inline] => {
    return [['ruled out: ', styled('strong', cause), '. ', evidence]];
  });
  const statement = byMedium(
    [{ style: 'strong', content: arm, arm }, ' ', styled('prose', finding)],
    styled('strong', `${arm}: ${finding}`),
  );
  const measured = [
    waitTable(found),
    delays.length > 0 && onlyFor('markdown', paragraph(`${short}.`)),
  ];
  const excludedBlocks = [
    onlyFor('html', pairs(excluded)),
    onlyFor('markdown', list(excludedItems)),
  ];
  const waiting = [onlyFor('html', pairs(delays.map(({ label, text }) => [label, text])))];
  return [
    paragraph(statement, 'big'),
    queryTable(found),
    plan && planDetails(plan),
    {
      kind: 'columns',
      columns: [
        [{ heading: 'Wait events of busy backends', blocks: measured }],
        [
          { heading: 'Ruled out', blocks: excludedBlocks },
          { heading: 'Waiting in the service', blocks: waiting },
        ],
      ],
    },
  ];
}

function queryTable({ queries }: Diagnosis) {
  const columns = [
    'Statement',
    { title: byMedium('Share of statement time', 'share of time'), isShare: true },
    ...numeric('Calls', 'Mean'),
    { title: 'Rows per call', isNumeric: true, media: ['html'] as const },
  ];
  const rows = queries.map(({ query, share, culprit: isCulprit, calls, meanMs, rowsPerCall }) => [
    [styled('statement', query), isCulprit && styled('tag', 'culprit')],
    proportionOf(share, isCulprit),
    formatCount(calls),
    formatDuration(meanMs * 1_000),
    formatCount(rowsPerCall),
  ]);
  return table('Statements by time', columns, rows);
}

function planDetails({ node, rowsRemoved, text }: NonNullable<Diagnosis['plan']>) {
  const discarded = `, ${formatCount(rowsRemoved)} rows read and discarded`;
  const summary = byMedium(
    ['Plan of the top statement: ', styled('strong', node), `${discarded} by each call`],
    ['Plan: ', styled('code', node), `${discarded}.`],
  );
  return details(summary, { kind: 'code', text }, true);
}

function waitTable({ waits }: Diagnosis) {
  const columns = [
    { title: byMedium('Event', 'Busy backends') },
    { title: 'Share of samples', isShare: true },
    ...numeric('Samples'),
  ];
  const rows = waits.map(({ event, share, samples }) => {
    return [event, proportionOf(share, false), formatCount(samples)];
  });
  return table('Wait events', columns, rows);
}

function proportionOf(share: number, isAlarming: boolean): Proportion {
  return { ratio: share, text: formatRatio(share), isAlarming };
}

function delaysOf({ poolWaitP99Us, eventLoopDelayP99Us }: Diagnosis) {
  const delays = [
    { label: 'wait for a pooled connection, p99', brief: 'pool wait p99', us: poolWaitP99Us },
    { label: 'event loop delay, p99', brief: 'event loop delay p99', us: eventLoopDelayP99Us },
  ];
  return delays
    .filter(({ us }) => us !== null)
    .map((delay) => ({ ...delay, text: formatDuration(delay.us) }));
}

/** Two lines: the statement's share of the time and its plan, and the statement. */
function culpritFact({ name, arm: { diagnosis: found } }: NamedArm) {
  const query = found?.queries.find(({ culprit }) => culprit);
  if (query === undefined) return [];
  const how = found?.plan ? `, ${found.plan.node}` : '';
  return [
    ['culprit', `${formatRatio(query.share)} of statement time${how}`, name],
    ['', styled('statement', query.query), name],
  ] as const;
}
