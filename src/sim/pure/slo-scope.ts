/**
 * What an SLO is measured over, in words: `check in login-storm, against baseline`. An objective that speaks of
 * everything that is judged has no scope, and neither has counted work, which no operation or phase narrows.
 */
import type { Slo } from '../scenario.ts';
import { parseSlo } from './slo.ts';

export function scopeOf({ objective, operations, phases, baseline }: Slo): string | undefined {
  const { indicator, arm, metric } = parseSlo(objective);
  if (indicator === 'cost') return undefined;
  const all = [operations, phases, baseline].every((part) => part === undefined);
  if (all && arm === null && metric === '') return undefined;
  const where = phases === undefined ? 'the judged phases' : listed(phases);
  if (metric !== '') return `every process of the service in ${where}`;
  const what = operations === undefined ? 'every operation' : listed(operations);
  const against = arm === null ? baseline : `the same in ${arm}`;
  return `${what} in ${where}${against === undefined ? '' : `, against ${against}`}`;
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
