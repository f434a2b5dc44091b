/**
 * `platform explain`: a scenario in words, written from its own data, so that it cannot say anything the run
 * does not do.
 */
import { designs } from '../services/lineage.ts';
import { scopeOf } from '../sim/pure/slo-scope.ts';
import type { ArmName } from '../sim/result.ts';
import { type Arm, invariantsOf, type Scenario, type Slo, scaleNote } from '../sim/scenario.ts';
import { diffDesigns } from './design-diff.ts';
import { drillFacts, operationTable, phaseList } from './explain-drill.ts';
import { documentedTable, incidentFacts, incidentWorkload } from './explain-incident.ts';
import { entries, entry, indent, listed, paragraph, plainTable, section } from './explain-text.ts';
import type { Io } from './io.ts';
import { widthOf } from './io.ts';

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
  const arms = scenario.arms(FULL);
  const { before, after } = arms;
  const facts = scenario.kind === 'incident' ? incidentFacts(scenario) : drillFacts(scenario);
  return {
    id: scenario.id,
    turn: scenario.turn,
    title: scenario.title,
    question: scenario.question,
    situation: scenario.situation,
    designs: Object.entries(arms).map(([name, arm]) => ({
      arm: name as ArmName,
      design: arm.design,
      description: arm.description,
      expected: arm.expected,
      mustFail: arm.mustFail,
      mayFail: arm.mayFail ?? [],
    })),
    difference: before && after ? diffDesigns(designOf(before), designOf(after)) : null,
    ...facts,
    slos: scenario.slos.map((slo) => ({ ...slo, scope: scopeIn(scenario, slo) })),
    invariants: invariantsOf(scenario, false).map(({ id, statement }) => ({ id, statement })),
    quick: scaleNote(scenario, true),
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

/** Counted work has no scope of its own: the scenario says in which phases it is counted. */
function scopeIn(scenario: Scenario, slo: Slo): string | null {
  const isCost = slo.objective.trim().startsWith('cost.');
  if (isCost && scenario.kind === 'drill') {
    return `per operation in ${scenario.costPhase}`;
  }
  return scopeOf(slo) ?? null;
}

function renderExplanation(explained: Explanation, width: number): string {
  const room = width - 2;
  const { difference, quick } = explained;
  const parts = [
    `${explained.id}: ${explained.title}\n${paragraph(explained.question, width)}`,
    section('What happens', paragraph(explained.situation, room)),
    ...(explained.kind === 'incident'
      ? [section('Documented figures', documentedTable(explained, room))]
      : []),
    section('Designs', designList(explained, room)),
    difference === null
      ? ''
      : section('What changes from before to after', differenceTable(difference, room)),
    ...(explained.kind === 'incident'
      ? [section('Workload', incidentWorkload(explained, room))]
      : [
          section('Workload, phase by phase', phaseList(explained, room)),
          section('Operations', operationTable(explained, room)),
        ]),
    section('SLOs', sloList(explained, room)),
    section(
      'Invariants',
      entries(
        explained.invariants.map(({ id, statement }) => [id, statement] as const),
        room,
      ),
    ),
    section('Try it', `${explained.commands.join('\n')}\n`),
    quick === '' ? '' : `\n${indent(paragraph(quick, room))}`,
  ];
  return parts.join('');
}

function designList({ designs: list }: Explanation, width: number): string {
  return list
    .map(({ arm, design, description, expected, mustFail, mayFail }) => {
      const must = mustFail.length === 0 ? '' : ` on ${listed(mustFail)}`;
      const may = mayFail.length === 0 ? '' : `, and maybe on ${listed(mayFail)}`;
      const verdict = `${design}, expected to ${expected}${must}${may}`;
      return `${entry(arm, verdict, width)}${entry('', description, width)}`;
    })
    .join('');
}

function differenceTable(
  difference: NonNullable<Explanation['difference']>,
  width: number,
): string {
  const rows = difference.changes.map(({ field, before, after }) => [
    field,
    before ?? '-',
    after ?? '-',
  ]);
  const table = plainTable(['field', 'before', 'after'], rows, width);
  return `${table}${difference.same} other choices are the same.\n`;
}

function sloList({ slos }: Explanation, width: number): string {
  const rows = slos.map(
    ({ id, objective, scope }) =>
      [id, scope === null ? objective : `${objective}, ${scope}`] as const,
  );
  return entries(rows, width);
}
