/** Why an arm is slow, from the system's own instruments. */
import type { Diagnosis } from '../../sim/result.ts';
import {
  type Blocks,
  details,
  list,
  numeric,
  only,
  pairs,
  paragraph,
  type Run,
  type Section,
  table,
} from '../blocks.ts';
import { countText, durationText, ratioText } from '../format.ts';
import { byMedium, type Inline, type Share, styled } from '../inline.ts';
import type { NamedArm } from '../rows.ts';

export function diagnosis({ arms }: Run): Section | null {
  const found = arms.filter(({ arm }) => arm.diagnosis !== null);
  if (found.length === 0) return null;
  return {
    id: 'diagnosis',
    title: 'Diagnosis',
    blocks: found.flatMap(({ name, arm }) => blocksOf(name, arm.diagnosis!)),
    console: { facts: [pairs(found.flatMap(culprit))] },
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
  const said = byMedium(
    [{ style: 'strong', content: arm, arm }, ' ', styled('prose', finding)],
    styled('strong', `${arm}: ${finding}`),
  );
  const measured = [
    waitTable(found),
    delays.length > 0 && only('markdown', paragraph(`${short}.`)),
  ];
  const excludedBlocks = [only('html', pairs(excluded)), only('markdown', list(excludedItems))];
  const waiting = [only('html', pairs(delays.map(({ label, text }) => [label, text])))];
  return [
    paragraph(said, 'big'),
    queryTable(found),
    plan && planDetails(plan),
    {
      kind: 'columns',
      columns: [
        [{ heading: 'What busy backends did', blocks: measured }],
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
    shareOf(share, isCulprit),
    ...[countText(calls), durationText(meanMs * 1_000), countText(rowsPerCall)],
  ]);
  return table('Statements by time', columns, rows);
}

function planDetails({ node, rowsRemoved, text }: NonNullable<Diagnosis['plan']>) {
  const rows = `, ${countText(rowsRemoved)} rows read and`;
  const summary = byMedium(
    ['Plan of the top statement: ', styled('strong', node), `${rows} thrown away on each call`],
    ['Plan: ', styled('code', node), `${rows} discarded.`],
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
    return [event, shareOf(share, false), countText(samples)];
  });
  return table('Wait events', columns, rows);
}

function shareOf(share: number, isAlarming: boolean): Share {
  return { share, text: ratioText(share), isAlarming };
}

function delaysOf({ poolWaitP99Us, eventLoopDelayP99Us }: Diagnosis) {
  const delays = [
    { label: 'wait for a pooled connection, p99', brief: 'pool wait p99', us: poolWaitP99Us },
    { label: 'event loop delay, p99', brief: 'event loop delay p99', us: eventLoopDelayP99Us },
  ];
  return delays
    .filter(({ us }) => us !== null)
    .map((delay) => ({ ...delay, text: durationText(delay.us) }));
}

/** Two lines: how much and how, and the statement itself as far as it fits. */
function culprit({ name, arm: { diagnosis: found } }: NamedArm) {
  const query = found?.queries.find((one) => one.culprit);
  if (query === undefined) return [];
  const how = found?.plan ? `, ${found.plan.node}` : '';
  return [
    ['culprit', `${ratioText(query.share)} of statement time${how}`, name],
    ['', styled('statement', query.query), name],
  ] as const;
}
