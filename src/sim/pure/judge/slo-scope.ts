/**
 * Text of what an SLO is measured over: `check in login-storm, against baseline`. Undefined for an objective over
 * everything that is judged, and for costs, which operations and phases do not narrow.
 */
import type { Slo } from '../../scenario.ts';
import { parseSlo } from './slo.ts';

export function scopeOf({ objective, operations, phases, baseline }: Slo): string | undefined {
  const { indicator, arm, metric } = parseSlo(objective);
  if (indicator === 'cost') return undefined;
  const isUnrestricted = [operations, phases, baseline].every((part) => part === undefined);
  if (isUnrestricted && arm === null && metric === '') return undefined;
  const where = phases === undefined ? 'the judged phases' : joinNames(phases);
  if (metric !== '') return `every process of the service in ${where}`;
  const what = operations === undefined ? 'every operation' : joinNames(operations);
  const against = arm === null ? baseline : `the same in ${arm}`;
  return `${what} in ${where}${against === undefined ? '' : `, against ${against}`}`;
}

function joinNames(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
