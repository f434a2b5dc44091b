/** What `platform explain` says of the load: the phases with what they send and break, and the requests. */
import { rateText, ratioText } from '../report/format.ts';
import { familyWords, faultWords } from '../sim/effects/faults/fault-words.ts';
import { NODE_KINDS } from '../sim/effects/testbed/node-kinds.ts';
import { edgeName } from '../sim/fault-target.ts';
import { LOAD_KINDS, operationsOf } from '../sim/load-kinds.ts';
import type { QuantityText } from '../sim/load-words.ts';
import type { Plan, PlannedArm } from '../sim/plan.ts';
import { familyOf } from '../sim/pure/fault-windows.ts';
import { groupBy } from '../sim/pure/group-by.ts';
import { lengthText } from '../sim/pure/quantity-text.ts';
import type { OperationTemplate, RetryPolicy } from '../sim/pure/workload.ts';
import type { ArmName } from '../sim/result.ts';
import type { Phase } from '../sim/scenario.ts';
import type { Topology } from '../sim/topology.ts';
import { entry, listed, paragraph, plainTable } from './explain-text.ts';

const TEXT: QuantityText = { rate: rateText, length: lengthText, ratio: ratioText };

export type PhaseFacts = ReturnType<typeof phaseFacts>;

export function phaseFacts({ arms, costPhase }: Plan) {
  return {
    testbed: testbedWords(arms),
    phases: distinctPhases(arms).map(({ phase, through }) => describe(phase, through)),
    costPhase,
    operations: operationsOf(arms.flatMap(({ phases }) => phases)),
  };
}

/** Each phase once, with the arms that go through it, in the order of the run. */
function distinctPhases(arms: readonly PlannedArm[]): { phase: Phase; through: ArmName[] }[] {
  const found = new Map<string, { phase: Phase; through: ArmName[] }>();
  for (const { name, phases } of arms) {
    for (const phase of phases) {
      const key = JSON.stringify(phase);
      const known = found.get(key) ?? { phase, through: [] };
      known.through.push(name);
      found.set(key, known);
    }
  }
  return [...found.values()];
}

function describe({ name, role, note, judged, load, faults }: Phase, through: readonly ArmName[]) {
  const kind = LOAD_KINDS.of(load.kind);
  return {
    ...{ name, role, note, judged },
    arms: through,
    /** Null: as long as its load takes. */
    durationMs: kind.plannedMs(load),
    load: kind.words(load, TEXT),
    workload: load,
    faults: (faults ?? []).map((fault) => ({ ...fault, words: faultWords(fault) })),
  };
}

export function phaseList(
  { testbed, phases }: PhaseFacts,
  arms: readonly ArmName[],
  width: number,
): string {
  const isShared = phases.every((phase) => phase.arms.length === arms.length);
  const who = isShared
    ? 'Every arm goes through all phases.'
    : 'A phase names its arms where not all of them go through it.';
  const blocks = phases.map((phase, index) => {
    const { name, role, note, judged, durationMs, load, faults } = phase;
    const about = [
      ...(phase.arms.length === arms.length ? [] : [`${listed(phase.arms)} alone`]),
      ...(role === name ? [] : [role]),
      ...(durationMs === null ? [] : [lengthText(durationMs)]),
      ...(judged ? [] : ['not judged']),
    ];
    const title = `${name}${about.length === 0 ? '' : ` (${about.join(', ')})`}: ${note}.`;
    return [
      entry(String(index + 1), title, width, 4),
      entry('', load, width, 4),
      ...faultLines(faults).map((words) => entry('', `Fault: ${words}.`, width, 4)),
    ].join('');
  });
  return `${paragraph(`${testbed} ${who}`, width)}${blocks.join('')}`;
}

/** One for each, or one for all of a family. */
function faultLines(faults: PhaseFacts['phases'][number]['faults']): string[] {
  return [...groupBy(faults, ({ name }) => familyOf(name)).values()].map((of) =>
    familyOf(of[0]!.name) === of[0]!.name ? of[0]!.words : familyWords(of),
  );
}

export function operationTable({ operations }: PhaseFacts, width: number): string {
  const rows = operations.map((operation) => [
    operation.name,
    `${operation.method} ${operation.path}`,
    operationWords(operation),
  ]);
  return plainTable(['operation', 'request', 'as whom, and what then'], rows, width);
}

function testbedWords([first]: readonly PlannedArm[]): string {
  return first === undefined ? '' : topologyText(first.topology);
}

function topologyText({ nodes, edges }: Topology): string {
  const parts = Object.entries(nodes).map(([name, spec]) =>
    NODE_KINDS.of(spec.kind).words(name, spec),
  );
  const proxied = edges.filter((edge) => edge.proxied).map(edgeName);
  const through =
    proxied.length === 0
      ? ''
      : ` ${listed(proxied)} ${proxied.length === 1 ? 'goes' : 'go'} through a fault proxy.`;
  return `${listed(parts)}.${through}`;
}

function operationWords(operation: OperationTemplate): string {
  const { as, anonymous, ends, begins, retry, group } = operation;
  const who =
    anonymous === true
      ? 'anonymous'
      : `${{ live: 'live', ended: 'ended', any: 'any' }[as ?? 'live']} credential`;
  const whose = group === undefined ? '' : ` of the group ${group}`;
  const then = [
    ...(ends === true ? ['ends it'] : []),
    ...(begins === undefined ? [] : ['begins a new one']),
    ...(retry === undefined ? [] : [retryWords(retry)]),
  ];
  return [`${who}${whose}`, ...then].join(', ');
}

function retryWords({ attempts, elsewhere, obeyRetryAfter }: RetryPolicy): string {
  const where = elsewhere ? ', elsewhere' : '';
  return `retried up to ${attempts - 1} times${where}${obeyRetryAfter ? ', as Retry-After says' : ''}`;
}
