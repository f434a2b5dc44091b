/**
 * What an SLO is measured over, in words: `check in login-storm, against baseline`. An objective that speaks of
 * everything that is judged has no scope, and neither has counted work, which no operation or phase narrows.
 */
import type { Slo } from '../scenario.ts';
import { parseSlo } from './slo.ts';

export function scopeOf({ objective, operations, phases, baseline }: Slo): string | undefined {
  if (parseSlo(objective).indicator === 'cost') return undefined;
  if (operations === undefined && phases === undefined && baseline === undefined) return undefined;
  const what = operations === undefined ? 'every operation' : listed(operations);
  const where = phases === undefined ? 'the judged phases' : listed(phases);
  return `${what} in ${where}${baseline === undefined ? '' : `, against ${baseline}`}`;
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
