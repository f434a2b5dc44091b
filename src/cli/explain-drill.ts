/** What `platform explain` says of a drill alone: who runs, the phases with their load and faults, the requests. */
import { rateText, ratioText } from '../report/format.ts';
import { familyWords, faultWords } from '../sim/effects/faults/fault-words.ts';
import { familyOf } from '../sim/pure/fault-windows.ts';
import { groupBy } from '../sim/pure/group-by.ts';
import { lengthText } from '../sim/pure/quantity-text.ts';
import { plannedMs } from '../sim/pure/schedule.ts';
import type {
  OpenWorkload,
  OperationTemplate,
  RetryPolicy,
  Workload,
} from '../sim/pure/workload.ts';
import { type DrillScenario, operationsOf, type TestbedSpec } from '../sim/scenario.ts';
import { entry, listed, paragraph, plainTable } from './explain-text.ts';

export type DrillFacts = ReturnType<typeof drillFacts>;

export function drillFacts(scenario: DrillScenario) {
  const arms = Object.values(scenario.arms({ quick: false, seed: 1 }));
  return {
    kind: scenario.kind,
    testbed: arms[0] === undefined ? '' : testbedWords(arms[0].testbed),
    phases: scenario.drill(false).phases.map(({ name, role, note, judged, workload, faults }) => ({
      ...{ name, role, note, judged },
      /** Null: as long as its sweep takes. */
      durationMs: workload.kind === 'sweep' ? null : plannedMs(workload),
      load: loadWords(workload),
      faults: (faults ?? []).map((fault) => ({ ...fault, words: faultWords(fault) })),
    })),
    costPhase: scenario.costPhase,
    operations: operationsOf(scenario),
  };
}

export function phaseList({ testbed, phases }: DrillFacts, width: number): string {
  const blocks = phases.map(({ name, role, note, judged, durationMs, load, faults }, index) => {
    const about = [
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
  return `${paragraph(testbed, width)}${blocks.join('')}`;
}

/** One for each, or one for all of a family. */
function faultLines(faults: DrillFacts['phases'][number]['faults']): string[] {
  return [...groupBy(faults, ({ name }) => familyOf(name)).values()].map((of) =>
    familyOf(of[0]!.name) === of[0]!.name ? of[0]!.words : familyWords(of),
  );
}

export function operationTable({ operations }: DrillFacts, width: number): string {
  const rows = operations.map((operation) => [
    operation.name,
    `${operation.method} ${operation.path}`,
    operationWords(operation),
  ]);
  return plainTable(['operation', 'request', 'as whom, and what then'], rows, width);
}

function testbedWords({ service, instances = 1, links = [] }: TestbedSpec): string {
  const processes =
    instances === 1
      ? `One process ${service.name}`
      : `${instances} processes ${service.name}.1 to ${service.name}.${instances}`;
  const through =
    links.length === 0
      ? ''
      : ` ${listed(links)} ${links.length === 1 ? 'goes' : 'go'} through a fault proxy.`;
  return `${processes}, one PostgreSQL, one Redis.${through} Every arm goes through all phases.`;
}

function loadWords(workload: Workload): string {
  const [first] = workload.operations;
  switch (workload.kind) {
    case 'sweep': {
      const most = workload.max === undefined ? 'every' : `${workload.max} of every`;
      const where = workload.everyTarget ? 'on every process of the service' : 'once';
      return `${first?.name} as ${most} ${workload.as} credential, ${where}, ${rateText(workload.ratePerSecond)}.`;
    }
    case 'open': {
      const rates = workload.stages.flatMap(({ ratePerSecond, endRatePerSecond }) => [
        ratePerSecond,
        endRatePerSecond ?? ratePerSecond,
      ]);
      const path = rates.filter((rate, index) => rate !== rates[index - 1]).map(rateText);
      return `${path.join(', then ')}, ${arrivalWords(workload)}: ${mixWords(workload.operations)}.`;
    }
    case 'mix':
      return workload.streams.map(loadWords).join(' Beside it: ');
    case 'users': {
      const think = lengthText(workload.think.meanMs);
      return `${workload.users} users who think ${think} between requests: ${mixWords(workload.operations)}.`;
    }
    default:
      return workload satisfies never;
  }
}

function arrivalWords({ arrivals, burstEveryMs = 0 }: OpenWorkload): string {
  if (arrivals === 'bursts') return `in bursts every ${lengthText(burstEveryMs)}`;
  return arrivals === 'poisson' ? 'Poisson arrivals' : 'even arrivals';
}

function mixWords(operations: readonly OperationTemplate[]): string {
  const total = operations.reduce((sum, { weight }) => sum + weight, 0);
  return operations.map(({ name, weight }) => `${name} ${ratioText(weight / total)}`).join(', ');
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
