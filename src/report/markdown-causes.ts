/** The part of the Markdown report that says why: resources per process, statements, plan, waits. */
import { bytesText, countText, durationText, percentText, ratioText } from './format.ts';
import { code, codeBlock, plain, table } from './markdown-text.ts';
import type { NamedArm } from './rows.ts';

export function resourcesMarkdown(arms: readonly NamedArm[]): string | null {
  const rows = arms.flatMap(({ name, arm }) =>
    Object.entries(arm.resources).map(([process, used]) => [
      name,
      plain(process),
      percentText(used.cpuPercent),
      durationText(used.cpuUsPerOperation),
      bytesText(used.rssBytes),
      plain(used.cores),
    ]),
  );
  if (rows.length === 0) return null;
  const headers = ['Arm', 'process', 'CPU of one core', 'CPU per operation', 'memory', 'cores'];
  return `## Resources\n\n${table(headers, rows, 2)}`;
}

export function diagnosisMarkdown(arms: readonly NamedArm[]): string | null {
  const parts = arms.flatMap(({ name, arm }) => {
    const { diagnosis } = arm;
    if (diagnosis === null) return [];
    const { plan } = diagnosis;
    return [
      `**${name}: ${plain(diagnosis.finding)}**`,
      diagnosis.queries.length === 0 ? '' : queries(diagnosis.queries),
      plan === null
        ? ''
        : `Plan: ${code(plan.node)}, ${countText(plan.rowsRemoved)} rows read and discarded.\n\n${codeBlock(plan.text)}`,
      waits(diagnosis),
      diagnosis.ruledOut
        .map(({ cause, evidence }) => `- ruled out: **${plain(cause)}**. ${plain(evidence)}`)
        .join('\n'),
    ];
  });
  if (parts.length === 0) return null;
  return ['## Diagnosis', ...parts.filter((part) => part !== '')].join('\n\n');
}

type Diagnosis = NonNullable<NamedArm['arm']['diagnosis']>;

function queries(found: Diagnosis['queries']): string {
  const rows = found.map((query) => [
    `${code(query.query)}${query.culprit ? ' **culprit**' : ''}`,
    ratioText(query.share),
    countText(query.calls),
    durationText(query.meanMs * 1_000),
  ]);
  return table(['Statement', 'share of time', 'calls', 'mean'], rows);
}

function waits(diagnosis: Diagnosis): string {
  const rows = diagnosis.waits.map(({ event, share, samples }) => [
    plain(event),
    ratioText(share),
    countText(samples),
  ]);
  const delays = [
    diagnosis.poolWaitP99Us === null
      ? []
      : [`pool wait p99 ${durationText(diagnosis.poolWaitP99Us)}`],
    diagnosis.eventLoopDelayP99Us === null
      ? []
      : [`event loop delay p99 ${durationText(diagnosis.eventLoopDelayP99Us)}`],
  ].flat();
  const found =
    rows.length === 0 ? '' : table(['Busy backends', 'share of samples', 'samples'], rows);
  return [found, delays.length === 0 ? '' : `${delays.join(', ')}.`]
    .filter((part) => part !== '')
    .join('\n\n');
}
