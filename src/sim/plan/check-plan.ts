/**
 * Rejects a plan that cannot be run, or whose verdict could never be reached, before anything is started. Pure; throws
 * the first problem found.
 */
import { topologyProblems } from '../effects/testbed/check-topology.ts';
import { UsageError } from '../errors.ts';
import { LOAD_KINDS, operationsOf } from '../load-kinds.ts';
import { type ParsedSlo, parseSlo } from '../pure/judge/slo.ts';
import type { OperationTemplate } from '../pure/load/workload.ts';
import type { Phase } from '../scenario.ts';
import { checkFaults } from './check-faults.ts';
import type { Plan, PlannedArm, PlannedSlo } from './plan.ts';

/** Throws UsageError. */
export function checkPlan(plan: Plan): void {
  if (!/^[a-z][a-z0-9-]*$/.test(plan.id)) {
    throw problem({
      what: `scenario id "${plan.id}": lower-case letters, digits and hyphens`,
      why: 'it names a folder of the reports, a flag and a document',
      next: 'give the scenario an id such as checkout-outage',
    });
  }
  if (plan.arms.length === 0)
    throw problem({
      what: `${plan.id}: no arms`,
      why: 'a run compares designs, and it declares none',
      next: 'declare an arm "after", with the design that should hold',
    });
  for (const arm of plan.arms) checkTopology(plan, arm);
  for (const arm of plan.arms) checkPhases(plan, arm);
  checkOperations(plan);
  for (const slo of plan.slos) checkSlo(plan, slo);
  checkIds(plan);
  checkNamedPhases(plan);
  for (const arm of plan.arms) for (const phase of arm.phases) checkFaults(plan.id, arm, phase);
}

function checkTopology({ id }: Plan, { name, topology }: PlannedArm): void {
  const [first, ...more] = topologyProblems(topology);
  if (first === undefined) return;
  const rest = more.length === 0 ? '' : `; and ${more.length} more`;
  throw problem({
    what: `${id}: the topology of arm ${name} cannot be started`,
    why: `${first}${rest}`,
    next: `correct the topology of arm ${name}`,
  });
}

function checkPhases({ id }: Plan, { name, phases = [] }: PlannedArm): void {
  if (phases.length === 0)
    throw problem({
      what: `${id}: arm ${name} has no phases`,
      why: 'without load there is nothing to measure',
      next: `give ${name} a phase: a name, a role, a note and a load`,
    });
  for (const phase of phases) checkLoad(id, name, phase);
  const names = phases.flatMap((phase) => [
    phase.name,
    ...(LOAD_KINDS.of(phase.load.kind).extraPhases ?? []),
  ]);
  const repeated = findDuplicate(names);
  if (repeated !== undefined)
    throw problem({
      what: `${id}: phase "${repeated}" is in arm ${name} twice`,
      why: 'a phase is told from the others by its name, also those that a load makes for itself',
      next: 'give one of the two another name',
    });
  if (!phases.some(({ judged }) => judged))
    throw problem({
      what: `${id}: no phase of arm ${name} is judged`,
      why: 'SLOs are measured over judged phases alone',
      next: 'set judged: true in the phase whose operations count',
    });
}

function checkLoad(id: string, arm: string, { name, load, judged }: Phase): void {
  const what = `${id}: the load of phase "${name}" in arm ${arm} cannot be played`;
  const next = `correct the load of phase "${name}"`;
  // A scenario from a file may lack what its type demands.
  const kind = LOAD_KINDS.all().find((one) => one.kind === load?.kind);
  if (kind === undefined) {
    const known = LOAD_KINDS.all().map((one) => one.kind);
    throw problem({
      what,
      why: `there is no kind of load "${load?.kind}"; known: ${known.join(', ')}`,
      next,
    });
  }
  if (kind.operations(load).length === 0) {
    throw problem({
      what: `${id}: no operations in phase "${name}" of arm ${arm}`,
      why: 'a load sends at least one kind of request',
      next,
    });
  }
  const [first] = kind.problems(load);
  if (first !== undefined) throw problem({ what, why: first, next });
  if (judged && kind.judgesItself === true) {
    throw problem({
      what: `${id}: phase "${name}" of arm ${arm} cannot be judged`,
      why: `a load of kind ${kind.kind} judges each of its steps by itself`,
      next: `set judged: false in phase "${name}"`,
    });
  }
}

/** The history identifies an operation by its name. */
function checkOperations({ id, arms }: Plan): void {
  const requests = new Map<string, string>();
  for (const { load } of arms.flatMap(({ phases }) => phases)) {
    for (const operation of LOAD_KINDS.of(load.kind).operations(load) as OperationTemplate[]) {
      const { weight: _, ...request } = operation;
      const text = JSON.stringify(request);
      const known = requests.get(operation.name) ?? text;
      requests.set(operation.name, text);
      if (known === text) continue;
      throw problem({
        what: `${id}: operation "${operation.name}" is two different requests`,
        why: 'operations are told apart by their names, in every phase and arm',
        next: 'give one of the two another name',
      });
    }
  }
}

function checkIds({ id, slos, invariants, arms }: Plan): void {
  const ids = [...slos, ...invariants].map((one) => one.id);
  const repeated = findDuplicate(ids);
  if (repeated !== undefined)
    throw problem({
      what: `${id}: id "${repeated}" is used twice`,
      why: 'SLOs and invariants are told apart by their ids',
      next: 'give one of the two another id',
    });
  for (const { name, mustFail, mayFail = [] } of arms) {
    const unknown = [...mustFail, ...mayFail].find((one) => !ids.includes(one));
    if (unknown === undefined) continue;
    throw problem({
      what: `${id}: arm ${name} may fail "${unknown}", which is not declared`,
      why: `declared are ${ids.join(', ') || 'no SLO and no invariant'}`,
      next: `correct mustFail and mayFail of arm ${name}`,
    });
  }
}

function checkSlo(plan: Plan, slo: PlannedSlo): void {
  const { id, arms } = plan;
  const parsed = parseOrThrow(id, slo);
  const { baseline, objective } = slo;
  const next = `correct the SLO ${slo.id}`;
  if (parsed.arm !== null && !arms.some(({ name }) => name === parsed.arm))
    throw problem({
      what: `${id}: ${slo.id} compares with ${parsed.arm}, which is no arm of it`,
      why: `"${objective}", and the arms are ${arms.map(({ name }) => name).join(', ')}`,
      next,
    });
  if (parsed.arm !== null && baseline !== undefined)
    throw problem({
      what: `${id}: ${slo.id} compares with ${parsed.arm} and with ${baseline}`,
      why: 'a difference is measured against one thing',
      next,
    });
  if (parsed.relative !== null && parsed.arm === null && baseline === undefined)
    throw problem({
      what: `${id}: ${slo.id} compares with nothing`,
      why: `"${objective}" is measured against a baseline phase, and none is named`,
      next: `name the phase in the baseline of ${slo.id}`,
    });
  checkScope(plan, slo, parsed);
}

function parseOrThrow(id: string, { id: slo, objective }: PlannedSlo): ParsedSlo {
  try {
    return parseSlo(objective);
  } catch (cause) {
    const [what = '', ...rest] = (cause as Error).message.split('. ');
    throw problem({ what: `${id}: ${what}`, why: rest.join('. '), next: `correct the SLO ${slo}` });
  }
}

/** Phases and operations named by an SLO exist, and those phases send those operations. */
function checkScope({ id, arms }: Plan, slo: PlannedSlo, parsed: ParsedSlo): void {
  const all = arms.flatMap(({ phases }) => phases);
  const names = [...new Set(all.map(({ name }) => name))];
  const named = [...(slo.phases ?? []), ...(slo.baseline === undefined ? [] : [slo.baseline])];
  const missing = named.find((name) => !names.includes(name));
  if (missing !== undefined)
    throw problem({
      what: `${id}: SLO ${slo.id} speaks of phase "${missing}", which is not there`,
      why: `the phases are ${names.join(', ')}`,
      next: `correct the phases of ${slo.id}`,
    });
  if (parsed.indicator === 'cost' || parsed.metric !== '') return;
  const measured = all.filter(({ name, judged }) => slo.phases?.includes(name) ?? judged);
  const baseline = all.filter(({ name }) => name === slo.baseline);
  for (const [phases, where] of [
    [measured, slo.phases?.join(', ') ?? 'the judged phases'],
    ...(slo.baseline === undefined ? [] : [[baseline, slo.baseline] as const]),
  ] as const) {
    const sent = operationsOf(phases).map(({ name }) => name);
    const unsent = slo.operations?.find((name) => !sent.includes(name));
    if (unsent === undefined) continue;
    throw problem({
      what: `${id}: SLO ${slo.id} speaks of operation "${unsent}", which is not sent in ${where}`,
      why: `sent there: ${sent.join(', ')}`,
      next: `correct the operations of ${slo.id}`,
    });
  }
}

/** The cost phase and the diagnosed phase exist, and cost SLOs have a cost phase. */
function checkNamedPhases({ id, arms, costPhase, diagnosis, slos }: Plan): void {
  const counted = slos.find(({ objective }) => parseSlo(objective).indicator === 'cost');
  if (costPhase === null && counted !== undefined)
    throw problem({
      what: `${id}: SLO ${counted.id} speaks of counted work, and no phase counts it`,
      why: 'work per operation is counted in the phase that costPhase names',
      next: 'name a phase without faults in costPhase',
    });
  for (const { name, phases } of arms) {
    if (costPhase === null || phases.some((phase) => phase.name === costPhase)) continue;
    throw problem({
      what: `${id}: arm ${name} has no phase "${costPhase}", in which work is to be counted`,
      why: `its phases are ${phases.map((phase) => phase.name).join(', ')}`,
      next: 'correct costPhase',
    });
  }
  const observed = diagnosis?.phase;
  if (observed === undefined) return;
  if (arms.some(({ phases }) => phases.some((phase) => phase.name === observed))) return;
  throw problem({
    what: `${id}: no arm has a phase "${observed}", which is to be diagnosed`,
    why: 'the diagnosis reads the instruments over one phase',
    next: 'correct the phase of the diagnosis',
  });
}

export function findDuplicate(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

function problem(lines: { what: string; why: string; next: string }): UsageError {
  return new UsageError(lines);
}
