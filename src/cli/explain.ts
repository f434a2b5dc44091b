/**
 * `platform explain`: a scenario in words, written from the plan that a run would carry out, so that it cannot say
 * anything the run does not do.
 */

import { measureText } from '../report/format.ts';
import { designs } from '../services/lineage.ts';
import type { Plan, PlannedSlo } from '../sim/plan.ts';
import { scopeOf } from '../sim/pure/slo-scope.ts';
import { resolve } from '../sim/resolve.ts';
import type { Arm, Scenario } from '../sim/scenario.ts';
import { diffDesigns } from './design-diff.ts';
import { operationTable, phaseFacts, phaseList } from './explain-phases.ts';
import { entries, entry, indent, listed, paragraph, plainTable, section } from './explain-text.ts';
import type { Io } from './io.ts';
import { widthOf } from './io.ts';
import { DEFAULT_SEED } from './units.ts';

export function runExplain(scenario: Scenario, flags: { json: boolean }, io: Io): number {
  const explained = explain(
    resolve(scenario, { quick: false, seed: DEFAULT_SEED }),
    resolve(scenario, { quick: true, seed: DEFAULT_SEED }).scaleNote,
  );
  const width = Math.min(100, widthOf(io.stdout));
  io.stdout.write(
    flags.json ? `${JSON.stringify(explained, null, 2)}\n` : renderExplanation(explained, width),
  );
  return 0;
}

type Explanation = ReturnType<typeof explain>;

function explain(plan: Plan, quickNote: string) {
  const armOf = (of: string) => plan.arms.find(({ name }) => name === of);
  const [before, after] = [armOf('before'), armOf('after')];
  const [documented = []] = plan.arms.map((arm) => arm.documented).filter(({ length }) => length);
  return {
    id: plan.id,
    turn: plan.turn,
    title: plan.title,
    question: plan.question,
    situation: plan.situation,
    designs: plan.arms.map(({ name, design, description, expected, mustFail, mayFail = [] }) => ({
      ...{ arm: name, design, description, expected, mustFail, mayFail },
    })),
    difference: before && after ? diffDesigns(designOf(before), designOf(after)) : null,
    ...(documented.length === 0 ? {} : { documented }),
    ...phaseFacts(plan),
    slos: plan.slos.map((slo) => ({ ...slo, scope: scopeIn(plan, slo) })),
    invariants: plan.invariants.map(({ id, statement }) => ({ id, statement })),
    quick: quickNote,
    commands: [
      `platform sim ${plan.id}`,
      `platform sim ${plan.id} --quick`,
      ...(after ? [`platform serve --design ${after.design}`] : []),
    ],
  };
}

/** The design as data; for a design of the user's own, what its processes are told. */
function designOf(arm: Arm): unknown {
  const found = designs.find(({ name }) => name === arm.design);
  if (found === undefined) return arm.topology;
  const { name: _name, summary: _summary, turn: _turn, ...choices } = found;
  return choices;
}

/** Counted work has no scope of its own: the plan says in which phase it is counted. */
function scopeIn({ costPhase }: Plan, slo: PlannedSlo): string | null {
  const isCost = slo.objective.trim().startsWith('cost.');
  return isCost ? `per operation in ${costPhase}` : (scopeOf(slo) ?? null);
}

function renderExplanation(explained: Explanation, width: number): string {
  const room = width - 2;
  const { difference, documented, quick } = explained;
  const arms = explained.designs.map(({ arm }) => arm);
  const parts = [
    `${explained.id}: ${explained.title}\n${paragraph(explained.question, width)}`,
    section('What happens', paragraph(explained.situation, room)),
    documented === undefined
      ? ''
      : section('Documented figures', documentedTable(documented, room)),
    section('Designs', designList(explained, room)),
    difference === null
      ? ''
      : section('What changes from before to after', differenceTable(difference, room)),
    section('Workload, phase by phase', phaseList(explained, arms, room)),
    section('Operations', operationTable(explained, room)),
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

function documentedTable(
  documented: NonNullable<Explanation['documented']>,
  width: number,
): string {
  const rows = documented.map(({ label, value, unit, low, high }) => [
    label,
    measureText(value, unit),
    `${measureText(low, unit)} to ${measureText(high, unit)}`,
  ]);
  return plainTable(['figure', 'documented', 'counts as reproduced'], rows, width);
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
