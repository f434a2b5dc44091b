/** The load in `platform explain`: the phases with their load and faults, and the operations. */
import { formatRate, formatRatio } from '../../report/format.ts';
import { describeFault, describeFaultGroup } from '../../sim/effects/faults/describe-fault.ts';
import { NODE_KINDS } from '../../sim/effects/testbed/node-kinds.ts';
import { LOAD_KINDS, operationsOf } from '../../sim/load-kinds.ts';
import type { QuantityText } from '../../sim/loads/describe-mix.ts';
import { edgeName } from '../../sim/plan/fault-target.ts';
import type { Plan, PlannedArm } from '../../sim/plan/plan.ts';
import { faultFamily } from '../../sim/pure/faults/fault-windows.ts';
import { groupBy } from '../../sim/pure/group-by.ts';
import type { OperationTemplate, RetryPolicy } from '../../sim/pure/load/workload.ts';
import { durationText } from '../../sim/pure/quantity-text.ts';
import type { ArmName } from '../../sim/result.ts';
import type { Phase } from '../../sim/scenario.ts';
import type { Topology } from '../../sim/topology.ts';
import { formatEntry, formatParagraph, formatTable, joinList } from './explain-text.ts';

const quantityText: QuantityText = { rate: formatRate, duration: durationText, ratio: formatRatio };

export type PhaseDescriptions = ReturnType<typeof describePhases>;

export function describePhases({ arms, costPhase }: Plan) {
  return {
    testbed: describeTestbed(arms),
    phases: distinctPhases(arms).map(({ phase, arms: own }) => describePhase(phase, own)),
    costPhase,
    operations: operationsOf(arms.flatMap(({ phases }) => phases)),
  };
}

/** Each phase once, with its arms, in the order of the run. */
function distinctPhases(arms: readonly PlannedArm[]): { phase: Phase; arms: ArmName[] }[] {
  const byKey = new Map<string, { phase: Phase; arms: ArmName[] }>();
  for (const { name, phases } of arms) {
    for (const phase of phases) {
      const key = JSON.stringify(phase);
      const known = byKey.get(key) ?? { phase, arms: [] };
      known.arms.push(name);
      byKey.set(key, known);
    }
  }
  return [...byKey.values()];
}

function describePhase(
  { name, role, note, judged, load, faults }: Phase,
  arms: readonly ArmName[],
) {
  const kind = LOAD_KINDS.of(load.kind);
  return {
    name,
    role,
    note,
    judged,
    arms,
    /** Null: until its load ends. */
    durationMs: kind.plannedMs(load),
    load: kind.describe(load, quantityText),
    workload: load,
    faults: (faults ?? []).map((fault) => ({ ...fault, words: describeFault(fault) })),
  };
}

export function formatPhases(
  { testbed, phases }: PhaseDescriptions,
  arms: readonly ArmName[],
  width: number,
): string {
  const isShared = phases.every((phase) => phase.arms.length === arms.length);
  const armsNote = isShared
    ? 'Every arm runs all phases.'
    : 'A phase that only some arms run names them.';
  const blocks = phases.map((phase, index) => {
    const { name, role, note, judged, durationMs, load, faults } = phase;
    const qualifiers = [
      ...(phase.arms.length === arms.length ? [] : [`${joinList(phase.arms)} only`]),
      ...(role === name ? [] : [role]),
      ...(durationMs === null ? [] : [durationText(durationMs)]),
      ...(judged ? [] : ['not judged']),
    ];
    const title = `${name}${qualifiers.length === 0 ? '' : ` (${qualifiers.join(', ')})`}: ${note}.`;
    return [
      formatEntry(String(index + 1), title, width, 4),
      formatEntry('', load, width, 4),
      ...describeFaults(faults).map((words) => formatEntry('', `Fault: ${words}.`, width, 4)),
    ].join('');
  });
  return `${formatParagraph(`${testbed} ${armsNote}`, width)}${blocks.join('')}`;
}

/** One line for each fault, or one for a family. */
function describeFaults(faults: PhaseDescriptions['phases'][number]['faults']): string[] {
  return [...groupBy(faults, ({ name }) => faultFamily(name)).values()].map((of) =>
    faultFamily(of[0]!.name) === of[0]!.name ? of[0]!.words : describeFaultGroup(of),
  );
}

export function formatOperations({ operations }: PhaseDescriptions, width: number): string {
  const rows = operations.map((operation) => [
    operation.name,
    `${operation.method} ${operation.path}`,
    describeOperation(operation),
  ]);
  return formatTable(['operation', 'request', 'credential and effect'], rows, width);
}

function describeTestbed([first]: readonly PlannedArm[]): string {
  return first === undefined ? '' : describeTopology(first.topology);
}

function describeTopology({ nodes, edges }: Topology): string {
  const parts = Object.entries(nodes).map(([name, spec]) =>
    NODE_KINDS.of(spec.kind).describe(name, spec),
  );
  const proxied = edges.filter((edge) => edge.proxied).map(edgeName);
  const proxyNote =
    proxied.length === 0
      ? ''
      : ` ${joinList(proxied)} ${proxied.length === 1 ? 'goes' : 'go'} through a fault proxy.`;
  return `${joinList(parts)}.${proxyNote}`;
}

function describeOperation(operation: OperationTemplate): string {
  const {
    as,
    anonymous,
    revokesCredential: ends,
    issuesCredential: begins,
    retry,
    group,
  } = operation;
  const credential =
    anonymous === true
      ? 'anonymous'
      : `${{ live: 'live', ended: 'ended', 'just-ended': 'just ended', any: 'any' }[as ?? 'live']} credential`;
  const groupText = group === undefined ? '' : ` of the group ${group}`;
  const effects = [
    ...(ends === true ? ['ends it'] : []),
    ...(ends === 'others' ? ["ends the user's others"] : []),
    ...(ends === 'all' ? ["ends all of the user's"] : []),
    ...(begins === undefined ? [] : ['begins a new one']),
    ...(retry === undefined ? [] : [describeRetry(retry)]),
  ];
  return [`${credential}${groupText}`, ...effects].join(', ');
}

function describeRetry({
  attempts,
  onNextInstance: elsewhere,
  obeyRetryAfter,
}: RetryPolicy): string {
  const where = elsewhere ? ', elsewhere' : '';
  return `retried up to ${attempts - 1} times${where}${obeyRetryAfter ? ', as Retry-After says' : ''}`;
}
