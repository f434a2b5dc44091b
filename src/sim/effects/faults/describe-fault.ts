/** Text of planned faults: what is done, which the fault's kind describes, when, and until when. */
import type { FaultTrigger, NoticedBy, PlannedFault } from '../../fault-plan.ts';
import { durationText } from '../../pure/quantity-text.ts';
import { FAULT_KINDS } from './fault-kinds.ts';

/** `kill -9 of gateway.2, 20 ms after the first acknowledged logout, undone after 500 ms`. */
export function describeFault({ at, fault, forMs, noticed = [] }: PlannedFault): string {
  const until =
    forMs === undefined ? "undone at the phase's end" : `undone after ${durationText(forMs)}`;
  const kind = FAULT_KINDS.of(fault.kind).describe([fault]);
  return [kind, describePlannedTrigger(at), until, ...noticed.map(describeNoticed)].join(', ');
}

/** `noticed by breaker_opened_total in every process of turn1.after`. */
function describeNoticed({ metrics, processes, designs = [] }: NoticedBy): string {
  const where = processes === 'every' ? 'every process' : 'one process at least';
  const of = designs.length === 0 ? '' : ` of ${designs.join(' and ')}`;
  return `noticed by ${metrics.join(' and ')} in ${where}${of}`;
}

/**
 * Faults of one kind and trigger whose times were drawn from the seed: `55 times kill -9 of gateway.1 or gateway.2, 3
 * ms after the first acknowledged create, undone after 150 ms, drawn from the seed`.
 */
export function describeFaultGroup(faults: readonly PlannedFault[]): string {
  const [{ at, fault, forMs, noticed = [] }, ...rest] = faults as readonly [
    PlannedFault,
    ...PlannedFault[],
  ];
  const specs = [fault, ...rest.map((planned) => planned.fault)] as const;
  const { acknowledged, commitInFlight } = at;
  const isEventDriven = acknowledged !== undefined || commitInFlight === true;
  return [
    `${faults.length} times ${FAULT_KINDS.of(fault.kind).describe([...specs])}`,
    // Each fault has a time of its own; the event is the same for all.
    ...(isEventDriven ? [describePlannedTrigger({ ...at, afterMs: 0 })] : []),
    ...(forMs === undefined ? [] : [`undone after ${durationText(forMs)}`]),
    'drawn from the seed',
    ...noticed.map(describeNoticed),
  ].join(', ');
}

function describePlannedTrigger({ afterMs, acknowledged, commitInFlight }: FaultTrigger): string {
  const from = afterMs === 0 ? '' : ` from ${durationText(afterMs)} on`;
  if (acknowledged !== undefined) {
    const { operation, lagMs } = acknowledged;
    const lag = lagMs === 0 ? 'at' : `${durationText(lagMs)} after`;
    return `${lag} the first acknowledged ${operation}${from}`;
  }
  if (commitInFlight === true) return `while a COMMIT is in flight${from}`;
  return afterMs === 0 ? 'at once' : `${durationText(afterMs)} into the phase`;
}
