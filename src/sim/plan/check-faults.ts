/** Rejects faults that cannot land: their trigger never occurs in their phase, or only after its end. Pure. */
import { faultProblems } from '../effects/faults/fault-kinds.ts';
import { UsageError } from '../errors.ts';
import type { PlannedFault } from '../fault-plan.ts';
import { LOAD_KINDS, operationsOf } from '../load-kinds.ts';
import type { Phase } from '../scenario.ts';
import type { PlannedArm } from './plan.ts';

/** Throws UsageError. */
export function checkFaults(scenario: string, arm: PlannedArm, phase: Phase): void {
  const { faults = [] } = phase;
  if (faults.length === 0) return;
  const where = `of phase "${phase.name}" in arm ${arm.name}`;
  const rejection = (fault: string, why: string, next: string) =>
    new UsageError({ what: `${scenario}: fault "${fault}" ${where} cannot land`, why, next });
  const all = arm.phases.flatMap((other) => other.faults ?? []).map(({ name }) => name);
  const lengthMs = LOAD_KINDS.of(phase.load.kind).plannedMs(phase.load);
  const sent = operationsOf([phase]).map((operation) => operation.name);
  for (const fault of faults) {
    const { name, at, after = [] } = fault;
    const [problem] = faultProblems(fault, arm.topology);
    if (problem !== undefined) throw rejection(name, problem, `correct the fault ${name}`);
    if (all.indexOf(name) !== all.lastIndexOf(name))
      throw rejection(name, 'another fault of the arm has the same name', 'give it another name');
    if (fault.noticed?.some(({ metrics }) => metrics.length === 0))
      throw rejection(
        name,
        'the service must notice it, and no metric is named that shows it',
        'name a metric in its noticed',
      );
    const { afterMs, acknowledged } = at;
    if (lengthMs !== null && afterMs >= lengthMs)
      throw rejection(
        name,
        `it comes ${afterMs} ms into a phase of ${lengthMs} ms`,
        'let it come earlier, or the phase last longer',
      );
    if (acknowledged !== undefined && !sent.includes(acknowledged.operation))
      throw rejection(
        name,
        `it waits for an acknowledged "${acknowledged.operation}"; the phase sends ${sent.join(', ')}`,
        'correct the operation that it waits for',
      );
    const missing = after.find((required) => !faults.some((other) => other.name === required));
    if (missing !== undefined)
      throw rejection(
        name,
        `it comes after "${missing}", which is no fault of the phase`,
        'correct its after',
      );
  }
  const cycle = findCycle(faults);
  if (cycle !== null)
    throw rejection(
      cycle[0]!,
      `each waits for the next: ${cycle.join(', ')}, ${cycle[0]}`,
      'let one of them wait for none of the others',
    );
}

/** Names of faults whose `after` forms a cycle, in order; null when there is none. */
function findCycle(faults: readonly PlannedFault[]): readonly string[] | null {
  const waitsFor = new Map(faults.map(({ name, after = [] }) => [name, after]));
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): readonly string[] | null => {
    if (done.has(name)) return null;
    const start = path.indexOf(name);
    if (start >= 0) return path.slice(start);
    path.push(name);
    for (const next of waitsFor.get(name) ?? []) {
      const found = visit(next);
      if (found !== null) return found;
    }
    path.pop();
    done.add(name);
    return null;
  };
  for (const name of waitsFor.keys()) {
    const found = visit(name);
    if (found !== null) return found;
  }
  return null;
}
