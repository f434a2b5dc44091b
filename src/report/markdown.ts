/**
 * The report for a design review or a pull request: the order of the page, tables instead of charts, nothing
 * to fetch. Far below GitHub's 1,024 KiB for a step summary.
 */
import type { Result } from '../sim/result.ts';
import {
  countText,
  durationText,
  instantOffsetText,
  percentText,
  rateText,
  ratioText,
  sentence,
} from './format.ts';
import { diagnosisMarkdown, resourcesMarkdown } from './markdown-causes.ts';
import { comparisonMarkdown } from './markdown-comparison.ts';
import {
  costsMarkdown,
  faultsMarkdown,
  figuresMarkdown,
  phasesMarkdown,
} from './markdown-drill.ts';
import { code, codeBlock, plain, table } from './markdown-text.ts';
import {
  documentedRows,
  invariantRows,
  isPhased,
  latencyRows,
  type NamedArm,
  namedArms,
  sloRows,
  validityRows,
} from './rows.ts';
import {
  bandText,
  capacityText,
  definitions,
  environmentRows,
  errorText,
  exitText,
  expectationText,
  figureText,
  measured,
  noiseText,
  validityMark,
  verdictMark,
} from './wording.ts';

export function renderMarkdown(result: Result): string {
  const arms = namedArms(result);
  const sections = [
    verdict(result, arms),
    slos(arms),
    documented(arms),
    invariants(arms),
    comparisonMarkdown(result.comparison),
    costsMarkdown(arms),
    latency(arms),
    isPhased(arms) ? phasesMarkdown(arms) : phases(arms),
    faultsMarkdown(arms),
    errors(arms),
    capacity(arms),
    resourcesMarkdown(arms),
    diagnosisMarkdown(arms),
    validity(arms),
    calibration(arms),
    reproduce(result, arms),
  ];
  return `${sections.filter((section) => section !== null).join('\n\n')}\n`;
}

function verdict(result: Result, arms: readonly NamedArm[]): string {
  const lines = [
    `# ${verdictMark(result.verdict)} ${result.verdict.toUpperCase()}: ${plain(result.sentence)}`,
    `${code(result.scenario)} ${plain(result.title)} (${exitText(result.exitCode)})`,
  ];
  if (result.aborted) lines.push('> **Aborted.** This report is partial.');
  if (result.quick) lines.push(`> **Quick run.** ${plain(result.scaleNote)}`);
  lines.push(
    `**Question.** ${plain(result.question)}`,
    `**Situation.** ${plain(result.situation)}`,
  );
  if (arms.length > 0) {
    const items = arms.map(
      ({ name, arm }) =>
        `- **${name}** (${code(arm.design)}) ${verdictMark(arm.verdict)} ${expectationText(arm)}. ${plain(sentence(arm.reason))} ${plain(arm.description)}`,
    );
    lines.push(items.join('\n'));
  }
  if (result.failed.length > 0) {
    lines.push(`**Failed against expectation:** ${result.failed.map(code).join(', ')}`);
  }
  return lines.join('\n\n');
}

function slos(arms: readonly NamedArm[]): string | null {
  const rows = sloRows(arms);
  if (rows.length === 0) return null;
  const body = rows.map(({ item, cells }) => [
    item.scope === undefined
      ? code(item.objective)
      : `${code(item.objective)} ${plain(item.scope)}`,
    ...cells.flatMap((slo) =>
      slo === null
        ? ['', '']
        : [`${verdictMark(slo.verdict)} ${measured(slo)}`, countText(slo.samples)],
    ),
  ]);
  const reasons = rows.flatMap(({ id, cells }) =>
    cells.flatMap((slo, index) =>
      slo?.reason === undefined
        ? []
        : [`- ${arms[index]!.name} ${plain(id)}: ${plain(slo.reason)}`],
    ),
  );
  const headers = ['SLO', ...arms.flatMap(({ name }) => [name, 'n'])];
  return section('Service level objectives', table(headers, body), reasons.join('\n'));
}

function documented(arms: readonly NamedArm[]): string | null {
  const rows = documentedRows(arms);
  if (rows.length === 0) return null;
  const body = rows.map((figure) => [
    `${plain(figure.label)} (${figure.arm})`,
    figureText(figure, figure.documented),
    figureText(figure, figure.reproduced),
    bandText(figure),
    verdictMark(figure.verdict),
  ]);
  const headers = ['Figure', 'documented', 'reproduced', 'accepted band', 'verdict'];
  return section('Documented and reproduced', table(headers, body));
}

function invariants(arms: readonly NamedArm[]): string | null {
  const rows = invariantRows(arms);
  if (rows.length === 0) return null;
  const body = rows.flatMap(({ item, cells }) =>
    cells.flatMap((cell, index) =>
      cell === null
        ? []
        : [
            [
              plain(item.statement),
              arms[index]!.name,
              verdictMark(cell.verdict),
              countText(cell.checked),
              countText(cell.violations),
            ],
          ],
    ),
  );
  const witnesses = rows.flatMap(({ id, cells }) =>
    cells.flatMap((cell, index) =>
      cell === null || cell.witness.length === 0
        ? []
        : [
            `Witness of ${plain(id)} in ${arms[index]!.name}:`,
            codeBlock(cell.witness.map((item) => JSON.stringify(item)).join('\n')),
          ],
    ),
  );
  const headers = ['Invariant', 'arm', 'verdict', 'checked', 'violations'];
  return section('Invariants', table(headers, body, 3), figuresMarkdown(arms), ...witnesses);
}

function latency(arms: readonly NamedArm[]): string | null {
  if (arms.length === 0) return null;
  const columns = arms.map(({ arm }) => latencyRows(arm.latency));
  const rows = columns[0]!.map(({ label }, index) => [
    label,
    ...columns.map((column) => column[index]!.text),
  ]);
  const more = [
    ['samples', ...arms.map(({ arm }) => countText(arm.latency.count))],
    ['offered', ...arms.map(({ arm }) => rateText(arm.offeredPerSecond))],
    ['completed', ...arms.map(({ arm }) => rateText(arm.achievedPerSecond))],
    ['errors', ...arms.map(({ arm }) => errorText(arm))],
    ['send lag p99', ...arms.map(({ arm }) => durationText(arm.lag.p99Us))],
  ];
  const headers = ['Response time', ...arms.map(({ name }) => name)];
  return section('Latency', table(headers, [...rows, ...more]));
}

function phases(arms: readonly NamedArm[]): string | null {
  const rows = arms.flatMap(({ name, arm }) =>
    arm.phases.map((phase) => [
      name,
      plain(phase.name),
      phase.judged ? 'judged' : 'shown only',
      plain(phase.note),
      instantOffsetText(phase.startUs),
      instantOffsetText(phase.endUs),
    ]),
  );
  if (rows.length === 0) return null;
  return section('Phases', table(['Arm', 'phase', 'kind', 'note', 'from', 'to'], rows, 4));
}

function errors(arms: readonly NamedArm[]): string | null {
  if (arms.length === 0) return null;
  const rows = arms.flatMap(({ name, arm }) =>
    arm.errors.map(({ cause, count }) => [name, plain(cause), countText(count)]),
  );
  const clean = arms.filter(({ arm }) => arm.errors.length === 0).map(({ name }) => name);
  const none = clean.length === 0 ? '' : `No errors in ${clean.join(' and ')}.`;
  const found = rows.length === 0 ? '' : table(['Arm', 'cause', 'operations'], rows, 2);
  return section('Errors by cause', found, none);
}

function capacity(arms: readonly NamedArm[]): string | null {
  const parts = arms.flatMap((named) => {
    const { capacity: found } = named.arm;
    if (found === null) return [];
    const rows = found.steps.map((step) => [
      rateText(step.offeredPerSecond),
      rateText(step.achievedPerSecond),
      durationText(step.latency.meanUs),
      latencyRows(step.latency)[3]!.text,
      ratioText(step.errorRatio),
      countText(step.latency.count),
      `${verdictMark(step.verdict)} ${plain(step.reason ?? '')}`.trim(),
    ]);
    const headers = ['Offered', 'completed', 'mean', 'p99', 'errors', 'n', 'verdict'];
    return [`**${capacityText(named)}.** ${plain(found.note)}`, table(headers, rows, 0)];
  });
  return parts.length === 0 ? null : section('Capacity', ...parts);
}

function validity(arms: readonly NamedArm[]): string | null {
  const rows = validityRows(arms);
  if (rows.length === 0) return null;
  const body = rows.map(({ item, cells }) => [
    plain(item.statement),
    plain(item.limit),
    ...cells.map((cell) => (cell === null ? '' : `${validityMark(cell)} ${plain(cell.measured)}`)),
  ]);
  return section('Validity', table(['Check', 'limit', ...arms.map(({ name }) => name)], body, 2));
}

function calibration(arms: readonly NamedArm[]): string | null {
  const rows = arms.flatMap(({ name, arm }) =>
    arm.calibration.map((step) => [
      name,
      plain(step.note),
      countText(step.users),
      percentText(step.cpuPercent),
      durationText(step.meanUs),
    ]),
  );
  if (rows.length === 0) return null;
  return section('Calibration', table(['Arm', 'note', 'users', 'database CPU', 'mean'], rows, 2));
}

function reproduce(result: Result, arms: readonly NamedArm[]): string {
  const noise = arms.map(({ name, arm }): [string, string] => [`noise of ${name}`, noiseText(arm)]);
  const rows = [...environmentRows(result), ...noise].map(([label, text]) => [label, plain(text)]);
  const words = definitions(arms)
    .map(([term, meaning]) => `- **${term}**: ${meaning}`)
    .join('\n');
  return section('Reproduce', codeBlock(result.command), table(['', ''], rows, 2), words);
}

function section(title: string, ...parts: readonly string[]): string {
  return [`## ${title}`, ...parts.filter((part) => part !== '')].join('\n\n');
}
