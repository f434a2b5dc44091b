/**
 * `platform explain`: a scenario in words, written from its own data, so that it cannot say anything the run
 * does not do.
 */
import { durationText, measureText, rateText } from '../report/format.ts';
import { designs } from '../services/design.ts';
import type { ArmName } from '../sim/result.ts';
import type { Arm, Scenario } from '../sim/scenario.ts';
import { diffDesigns } from './design-diff.ts';
import type { Io } from './io.ts';
import { widthOf } from './io.ts';
import { textTable, wrap } from './text-table.ts';

const FULL = { quick: false, seed: 1 };

export function runExplain(scenario: Scenario, flags: { json: boolean }, io: Io): number {
  const explained = explain(scenario);
  const width = Math.min(100, widthOf(io.stdout));
  io.stdout.write(
    flags.json ? `${JSON.stringify(explained, null, 2)}\n` : renderExplanation(explained, width),
  );
  return 0;
}

type Explanation = ReturnType<typeof explain>;

function explain(scenario: Scenario) {
  if (scenario.kind !== 'incident') throw new Error('drills are not explained yet');
  const arms = scenario.arms(FULL);
  const { users, rising, documented } = scenario.scale(false);
  const { before, after } = arms;
  return {
    id: scenario.id,
    turn: scenario.turn,
    title: scenario.title,
    question: scenario.question,
    situation: scenario.situation,
    documented,
    designs: Object.entries(arms).map(([name, arm]) => ({
      arm: name as ArmName,
      design: arm.design,
      description: arm.description,
      expected: arm.expected,
      mustFail: arm.mustFail,
    })),
    difference: before && after ? diffDesigns(designOf(before), designOf(after)) : null,
    workload: { users, rising, operations: scenario.operations },
    slos: scenario.slos,
    invariants: scenario.invariants.map(({ id, statement }) => ({ id, statement })),
    quick: scenario.scale(true).note,
    commands: [
      `platform sim ${scenario.id}`,
      `platform sim ${scenario.id} --quick`,
      ...(after ? [`platform serve --design ${after.design}`] : []),
    ],
  };
}

/** The design as data; for a design of the user's own, what its processes are told. */
function designOf(arm: Arm): unknown {
  const found = designs.find(({ name }) => name === arm.design);
  if (found === undefined) return arm.testbed;
  const { name: _name, summary: _summary, turn: _turn, ...choices } = found;
  return choices;
}

function renderExplanation(explained: Explanation, width: number): string {
  const section = (title: string, body: string) => `\n${title}\n${indent(body)}`;
  const parts = [
    `${explained.id}: ${explained.title}\n${lines(explained.question, width)}`,
    section('What happens', lines(explained.situation, width - 2)),
    section('Documented figures', documentedTable(explained, width - 2)),
    section('Designs', designList(explained, width - 2)),
    explained.difference === null
      ? ''
      : section('What changes from before to after', differenceTable(explained, width - 2)),
    section('Workload', workload(explained, width - 2)),
    section(
      'SLOs',
      explained.slos.map(({ id, objective }) => `${id.padEnd(8)}${objective}\n`).join(''),
    ),
    section('Invariants', invariantList(explained, width - 2)),
    section('Try it', `${explained.commands.join('\n')}\n`),
    explained.quick === '' ? '' : `\n${indent(lines(explained.quick, width - 2))}`,
  ];
  return parts.join('');
}

function documentedTable({ documented }: Explanation, width: number): string {
  const rows = documented.map(({ label, value, unit, low, high }) => [
    label,
    measureText(value, unit),
    `${measureText(low, unit)} to ${measureText(high, unit)}`,
  ]);
  const titles = ['figure', 'documented', 'counts as reproduced'];
  return textTable(
    titles.map((title) => ({ title })),
    rows,
    width,
  );
}

function designList({ designs: list }: Explanation, width: number): string {
  return list
    .map(({ arm, design, description, expected, mustFail }) => {
      const detail = mustFail.length === 0 ? '' : ` on ${mustFail.join(' and ')}`;
      const verdict = `${design}, expected to ${expected}${detail}`;
      return `${arm.padEnd(8)}${verdict}\n${entry('', description, width)}`;
    })
    .join('');
}

function differenceTable({ difference }: Explanation, width: number): string {
  if (difference === null) return '';
  const rows = difference.changes.map(({ field, before, after }) => [
    field,
    before ?? '-',
    after ?? '-',
  ]);
  const titles = ['field', 'before', 'after'];
  const table = textTable(
    titles.map((title) => ({ title })),
    rows,
    width,
  );
  return `${table}${difference.same} other choices are the same.\n`;
}

function workload({ workload: { users, rising, operations } }: Explanation, width: number): string {
  const { target, low, high } = users.cpuPercent;
  const total = operations.reduce((sum, { weight }) => sum + weight, 0);
  const think = durationText(users.think.meanMs * 1_000).replace('.0 ', ' ');
  const population =
    `${users.minUsers} to ${users.maxUsers} users who think ${think} between requests; their number is` +
    ` adjusted until PostgreSQL is ${target} % busy (${low} to ${high} %), then held.`;
  const more =
    `Then ${rising.arms.join(' and ')} alone under open arrivals, from ${rateText(rising.startPerSecond)}` +
    ` and ${rising.factor} times more each step, until an SLO breaks.`;
  const mix = operations.map(({ weight, method, path, name }) => [
    `${Math.round((100 * weight) / total)} %`,
    name,
    `${method} ${path}`,
  ]);
  const table = textTable(
    [{ title: 'share', align: 'right' }, { title: 'operation' }, { title: 'request' }],
    mix,
    width,
  );
  return `${lines(population, width)}${lines(more, width)}${table}`;
}

function invariantList({ invariants }: Explanation, width: number): string {
  const column = Math.max(8, ...invariants.map(({ id }) => id.length + 2));
  return invariants.map(({ id, statement }) => entry(id, statement, width, column)).join('');
}

/** A name in a column of its own, its text beside it. */
function entry(name: string, text: string, width: number, column = 8): string {
  const [head = '', ...rest] = wrap(text, width - column);
  return [name.padEnd(column) + head, ...rest.map((line) => ' '.repeat(column) + line), ''].join(
    '\n',
  );
}

function lines(text: string, width: number): string {
  return `${wrap(text, width).join('\n')}\n`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
