/**
 * The verdict block of `platform sim`: one screen that answers pass or fail, by how much, why, and what to
 * type next. What is as it should be takes one line; what is not is spelled out.
 */
import type { Result, Verdict } from '../sim/result.ts';
import { countText, measureText, ratioText } from './format.ts';
import {
  documentedRows,
  figureRows,
  type ItemKind,
  invariantRows,
  isExcused,
  type NamedArm,
  namedArms,
  sloRows,
} from './rows.ts';
import { columns, paint, type Span, span, type Tone, wrap } from './terminal-text.ts';
import {
  bandText,
  capacityText,
  exitText,
  expectationText,
  faultsText,
  figureText,
  measured,
  verdictMark,
} from './wording.ts';

export interface ConsoleOptions {
  readonly color: boolean;
  readonly width: number;
  readonly folder: string;
}

type Line = readonly Span[];
const INDENT = span('');
const GAP: Span = { text: '  ' };
const LABEL_WIDTH = 12;

export function renderConsole(result: Result, options: ConsoleOptions): string {
  const arms = namedArms(result);
  const width = Math.max(20, options.width);
  const blocks: readonly (readonly Line[])[] = [
    verdict(result, width),
    slos(result, arms),
    documented(arms),
    figures(arms),
    facts(arms, width),
    comparison(result, width),
    problems(result, arms, width),
    ending(result, options.folder, width),
  ];
  const lines = blocks
    .filter((block) => block.length > 0)
    .flatMap((block, index) => (index === 0 ? block : [[INDENT], ...block]))
    .map((line) => paint(line, { color: options.color, width }));
  return `${lines.join('\n')}\n`;
}

function verdict(result: Result, width: number): Line[] {
  const head = `${verdictMark(result.verdict)} ${result.verdict.toUpperCase()}`;
  const [first = '', ...rest] = wrap(result.sentence, width - head.length - 2);
  const indent: Span = { text: ' '.repeat(head.length + 2) };
  const marks = [
    result.aborted ? 'aborted: this result is partial' : '',
    result.quick ? 'quick run' : '',
  ];
  const about = [`${result.scenario} ${result.title}`, exitText(result.exitCode), ...marks];
  return [
    [span(head, tone(result.verdict)), GAP, span(first, 'strong')],
    ...rest.map((text) => [indent, span(text, 'strong')]),
    [indent, span(about.filter((text) => text !== '').join(' · '), 'faint')],
  ];
}

function slos(result: Result, arms: readonly NamedArm[]): Line[] {
  const rows = sloRows(arms);
  if (rows.length === 0) return [];
  const header = [span('SLO', 'faint'), ...armTitles(arms)];
  const body = rows.map(({ item, cells }) => [
    span(item.objective),
    ...cells.map((slo, index) =>
      slo === null
        ? span('')
        : span(
            `${verdictMark(slo.verdict)} ${measured(slo)}`,
            itemTone(result, arms[index]!, { ...slo, kind: 'slo' }),
          ),
    ),
    // Last, so that a narrow terminal cuts this and not a number.
    span(item.scope ?? '', 'faint'),
  ]);
  const samples = [
    span('samples', 'faint'),
    ...arms.map(({ arm }) => span(`n = ${countText(arm.latency.count)}`, 'faint')),
  ];
  const expected = [
    span('verdict', 'faint'),
    ...arms.map(({ arm }) =>
      arm.verdict === arm.expected
        ? span(arms.length > 2 ? 'as expected' : `${arm.verdict}, as expected`, 'faint')
        : span(expectationText(arm), 'bad'),
    ),
  ];
  return indented(columns([header, ...body, samples, expected]));
}

function documented(arms: readonly NamedArm[]): Line[] {
  const rows = documentedRows(arms);
  if (rows.length === 0) return [];
  const header = ['documented', 'reported', 'reproduced', 'accepted'].map((text) =>
    span(text, 'faint'),
  );
  const body = rows.map((figure) => [
    span(figure.label),
    span(figureText(figure, figure.documented)),
    span(
      `${verdictMark(figure.verdict)} ${figureText(figure, figure.reproduced)}`,
      tone(figure.verdict),
    ),
    span(bandText(figure), 'faint'),
  ]);
  return indented(columns([header, ...body]));
}

/** What the checkers measured, arm beside arm. */
function figures(arms: readonly NamedArm[]): Line[] {
  const rows = figureRows(arms);
  if (rows.length === 0) return [];
  const body = rows.map(({ item, cells }) => [
    span(item.label),
    ...cells.map((cell) => span(cell === null ? '' : measureText(cell.value, cell.unit))),
  ]);
  return indented(columns([[span('measured', 'faint'), ...armTitles(arms)], ...body]));
}

function armTitles(arms: readonly NamedArm[]): Span[] {
  return arms.map(({ name }) => span(name, 'faint'));
}

/** One line each: invariants, faults, capacity, culprit. */
function facts(arms: readonly NamedArm[], width: number): Line[] {
  const held = invariantRows(arms);
  const counts = arms.map(({ name }, index) => {
    const cells = held.flatMap(({ cells: all }) => all[index] ?? []);
    const passed = cells.filter((cell) => cell.verdict === 'pass').length;
    return `${name} ${passed} of ${cells.length} hold`;
  });
  const lines: Line[] =
    held.length === 0 ? [] : [[...label('invariants'), span(counts.join(', '))]];
  for (const [index, named] of arms.filter(({ arm }) => arm.faults.length > 0).entries()) {
    const text = faultsText(named);
    lines.push(...wrapped(index === 0 ? 'faults' : '', text, width));
  }
  for (const named of arms) {
    const text = capacityText(named);
    if (text !== null) lines.push([...label('capacity'), span(text)]);
    const culprit = named.arm.diagnosis?.queries.find((query) => query.culprit);
    if (culprit !== undefined) {
      const node = named.arm.diagnosis?.plan?.node;
      const why = `${ratioText(culprit.share)} of statement time${node === undefined ? '' : `, ${node}`}`;
      lines.push([...label('culprit'), span(why)]);
      const query = wrap(culprit.query, width - LABEL_WIDTH - 2)[0]!;
      lines.push([...label(''), span(query === culprit.query ? query : `${query} …`, 'faint')]);
    }
  }
  return lines;
}

/** Two lines: ours, and the others, in the column of the chart. */
function comparison({ comparison: found }: Result, width: number): Line[] {
  const column = found?.columns.find(({ id }) => id === found.chart.column);
  if (found === undefined || column === undefined) return [];
  const text = (ours: boolean) =>
    found.rows
      .filter((row) => row.ours === ours)
      .map(({ name, values }) => `${name} ${measureText(values[column.id] ?? null, column.unit)}`)
      .join(', ');
  return [
    ...wrapped('compared', `${column.label}: ${text(true)}`, width),
    ...wrapped('', text(false), width),
  ];
}

/** What is not as it should be; nothing when all is well. */
function problems(result: Result, arms: readonly NamedArm[], width: number): Line[] {
  const found: { readonly text: string; readonly tone: Tone }[] = [];
  for (const named of arms) {
    const { name, arm } = named;
    for (const slo of arm.slos) {
      if (slo.reason !== undefined && !isExcused(result, named, { ...slo, kind: 'slo' })) {
        found.push({ text: `${name} ${slo.id}: ${slo.reason}`, tone: 'doubt' });
      }
    }
    for (const item of arm.invariants) {
      if (item.verdict === 'pass') continue;
      const why =
        item.reason ??
        `${countText(item.violations)} violations in ${countText(item.checked)} checked`;
      const bad = itemTone(result, named, { ...item, kind: 'invariant' });
      found.push({ text: `${name} ${item.id}: ${item.statement} ${why}`, tone: bad });
    }
    for (const check of arm.validity) {
      if (check.ok) continue;
      const claim = check.statement.replace(/\.$/, '');
      const text = `${name}: ${claim}: no, ${check.measured} (limit ${check.limit})`;
      found.push({ text, tone: check.severity === 'warn' ? 'faint' : 'doubt' });
    }
  }
  if (result.failed.length > 0) {
    found.unshift({ text: `against expectation: ${result.failed.join(', ')}`, tone: 'bad' });
  }
  return found.flatMap(({ text, tone: shade }) => {
    const mark = shade === 'bad' ? '✗' : shade === 'doubt' ? '?' : '!';
    return wrap(text, width - 4).map((line, index) => [
      { text: index === 0 ? `  ${mark} ` : '    ' },
      span(line, shade),
    ]);
  });
}

function ending(result: Result, folder: string, width: number): Line[] {
  const rows = [
    { name: 'report', text: `${folder.replace(/\/+$/, '')}/report.html` },
    { name: 'again', text: result.command },
  ];
  return rows.flatMap(({ name, text }) => wrapped(name, text, width));
}

function wrapped(name: string, text: string, width: number): Line[] {
  return wrap(text, width - LABEL_WIDTH - 2).map((line, index) => [
    ...label(index === 0 ? name : ''),
    span(line),
  ]);
}

function label(text: string): Span[] {
  return [GAP, { text: text.padEnd(LABEL_WIDTH), tone: 'faint' }];
}

function indented(lines: readonly Line[]): Line[] {
  return lines.map((line) => [GAP, ...line]);
}

function tone(verdict: Verdict): Tone {
  return verdict === 'pass' ? 'good' : verdict === 'fail' ? 'bad' : 'doubt';
}

/** A failure that was expected is not alarming: it is not painted red. */
function itemTone(
  result: Result,
  named: NamedArm,
  item: { readonly kind: ItemKind; readonly id: string; readonly verdict: Verdict },
): Tone {
  return isExcused(result, named, item) ? 'doubt' : tone(item.verdict);
}
