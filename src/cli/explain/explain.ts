/** `platform explain`: a scenario in words, written from the plan that a run executes, so that the two cannot differ. */

import { formatMeasure } from '../../report/format.ts';
import { designs } from '../../services/lineage.ts';
import type { Plan, PlannedSlo } from '../../sim/plan/plan.ts';
import { scopeOf } from '../../sim/pure/judge/slo-scope.ts';
import type { Arm, Scenario } from '../../sim/scenario.ts';
import { formatCommand } from '../command-line.ts';
import type { Io } from '../io.ts';
import { terminalWidth } from '../io.ts';
import { planOf } from '../sim/scenario-lookup.ts';
import { DEFAULT_SEED } from '../units.ts';
import { diffDesigns } from './design-diff.ts';
import { describePhases, formatOperations, formatPhases } from './explain-phases.ts';
import {
  formatEntries,
  formatEntry,
  formatParagraph,
  formatSection,
  formatTable,
  indent,
  joinList,
} from './explain-text.ts';

/** `name` is what the user typed: an id, or the path of a file, which no id replaces in the commands that are advised. */
export function runExplain(
  scenario: Scenario,
  flags: { readonly json: boolean; readonly name?: string },
  io: Io,
): number {
  const explained = explain(
    planOf(scenario, { quick: false, seed: DEFAULT_SEED }),
    planOf(scenario, { quick: true, seed: DEFAULT_SEED }).scaleNote,
    flags.name ?? scenario.id,
  );
  const width = Math.min(100, terminalWidth(io.stdout));
  io.stdout.write(
    flags.json ? `${JSON.stringify(explained, null, 2)}\n` : renderExplanation(explained, width),
  );
  return 0;
}

type Explanation = ReturnType<typeof explain>;

function explain(plan: Plan, quickNote: string, name: string) {
  const armNamed = (wanted: string) => plan.arms.find(({ name }) => name === wanted);
  const [before, after] = [armNamed('before'), armNamed('after')];
  const [documented = []] = plan.arms.map((arm) => arm.documented).filter(({ length }) => length);
  return {
    id: plan.id,
    turn: plan.turn,
    title: plan.title,
    question: plan.question,
    situation: plan.situation,
    designs: plan.arms.map(({ name, design, description, expected, mustFail, mayFail = [] }) => ({
      arm: name,
      design,
      description,
      expected,
      mustFail,
      mayFail,
    })),
    difference: before && after ? diffDesigns(choicesOf(before), choicesOf(after)) : null,
    ...(documented.length === 0 ? {} : { documented }),
    ...describePhases(plan),
    slos: plan.slos.map((slo) => ({ ...slo, scope: describeScope(plan, slo) })),
    invariants: plan.invariants.map(({ id, statement }) => ({ id, statement })),
    quick: quickNote,
    commands: [
      formatCommand(['sim', name]),
      formatCommand(['sim', name, '--quick']),
      // serve knows the designs of the platform; one of the user's own is only a name in a report.
      ...(after && findChoices(after) ? [formatCommand(['serve', '--design', after.design])] : []),
    ],
  };
}

const findChoices = (arm: Arm) => designs.find(({ name }) => name === arm.design);

/** The design as data; for a design of the user's own, its topology. */
function choicesOf(arm: Arm): unknown {
  const found = findChoices(arm);
  if (found === undefined) return arm.topology;
  const { name: _name, summary: _summary, turn: _turn, ...choices } = found;
  return choices;
}

/** Costs have no scope of their own: the plan names the phase in which they are counted. */
function describeScope({ costPhase }: Plan, slo: PlannedSlo): string | null {
  const isCost = slo.objective.trim().startsWith('cost.');
  return isCost ? `per operation in ${costPhase}` : (scopeOf(slo) ?? null);
}

function renderExplanation(explained: Explanation, width: number): string {
  const innerWidth = width - 2;
  const { difference, documented, quick } = explained;
  const arms = explained.designs.map(({ arm }) => arm);
  const parts = [
    `${explained.id}: ${explained.title}\n${formatParagraph(explained.question, width)}`,
    formatSection('What happens', formatParagraph(explained.situation, innerWidth)),
    documented === undefined
      ? ''
      : formatSection('Documented figures', formatDocumented(documented, innerWidth)),
    formatSection('Designs', formatDesigns(explained, innerWidth)),
    difference === null
      ? ''
      : formatSection(
          'What changes from before to after',
          formatDifference(difference, innerWidth),
        ),
    formatSection('Workload, phase by phase', formatPhases(explained, arms, innerWidth)),
    formatSection('Operations', formatOperations(explained, innerWidth)),
    formatSection('SLOs', formatSlos(explained, innerWidth)),
    formatSection(
      'Invariants',
      formatEntries(
        explained.invariants.map(({ id, statement }) => [id, statement] as const),
        innerWidth,
      ),
    ),
    formatSection('Try it', `${explained.commands.join('\n')}\n`),
    quick === '' ? '' : `\n${indent(formatParagraph(quick, innerWidth))}`,
  ];
  return parts.join('');
}

function formatDocumented(
  documented: NonNullable<Explanation['documented']>,
  width: number,
): string {
  const rows = documented.map(({ label, value, unit, low, high }) => [
    label,
    formatMeasure(value, unit),
    `${formatMeasure(low, unit)} to ${formatMeasure(high, unit)}`,
  ]);
  return formatTable(['figure', 'documented', 'counts as reproduced'], rows, width);
}

function formatDesigns({ designs: list }: Explanation, width: number): string {
  return list
    .map(({ arm, design, description, expected, mustFail, mayFail }) => {
      const must = mustFail.length === 0 ? '' : ` on ${joinList(mustFail)}`;
      const may = mayFail.length === 0 ? '' : `, and maybe on ${joinList(mayFail)}`;
      const verdict = `${design}, expected to ${expected}${must}${may}`;
      return `${formatEntry(arm, verdict, width)}${formatEntry('', description, width)}`;
    })
    .join('');
}

function formatDifference(
  difference: NonNullable<Explanation['difference']>,
  width: number,
): string {
  const rows = difference.changes.map(({ field, before, after }) => [
    field,
    before ?? '-',
    after ?? '-',
  ]);
  const table = formatTable(['field', 'before', 'after'], rows, width);
  return `${table}${difference.same} other choices are the same.\n`;
}

function formatSlos({ slos }: Explanation, width: number): string {
  const rows = slos.map(
    ({ id, objective, scope }) =>
      [id, scope === null ? objective : `${objective}, ${scope}`] as const,
  );
  return formatEntries(rows, width);
}
