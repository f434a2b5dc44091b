/** What `platform explain` says of an incident alone: the documented figures, and the load that shows them. */
import { durationText, measureText, rateText } from '../report/format.ts';
import type { IncidentScenario } from '../sim/scenario.ts';
import { paragraph, plainTable } from './explain-text.ts';
import { textTable } from './text-table.ts';

export type IncidentFacts = ReturnType<typeof incidentFacts>;

export function incidentFacts(scenario: IncidentScenario) {
  const { users, rising, documented } = scenario.scale(false);
  return {
    kind: scenario.kind,
    documented,
    workload: { users, rising, operations: scenario.operations },
  };
}

export function documentedTable({ documented }: IncidentFacts, width: number): string {
  const rows = documented.map(({ label, value, unit, low, high }) => [
    label,
    measureText(value, unit),
    `${measureText(low, unit)} to ${measureText(high, unit)}`,
  ]);
  return plainTable(['figure', 'documented', 'counts as reproduced'], rows, width);
}

export function incidentWorkload({ workload }: IncidentFacts, width: number): string {
  const { users, rising, operations } = workload;
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
  return `${paragraph(population, width)}${paragraph(more, width)}${table}`;
}
