/** Describes planned faults: what is done (by the fault's kind), when, and until when. */
import type { FaultTrigger, PlannedFault } from '../../fault-plan.ts';
import { lengthText } from '../../pure/quantity-text.ts';
import { FAULT_KINDS } from './fault-kinds.ts';

/** `kill -9 of gateway.2, 20 ms after the first acknowledged logout, undone after 500 ms`. */
export function describeFault({ at, fault, forMs }: PlannedFault): string {
  const until =
    forMs === undefined ? "undone at the phase's end" : `undone after ${lengthText(forMs)}`;
  return `${FAULT_KINDS.of(fault.kind).describe([fault])}, ${describePlannedTrigger(at)}, ${until}`;
}

/** `55 times kill -9 of gateway.1 or gateway.2, 3 ms after an acknowledged create, undone after 150 ms, drawn from the seed`. */
export function describeFaultGroup(faults: readonly PlannedFault[]): string {
  const [{ at, fault, forMs }, ...others] = faults as readonly [PlannedFault, ...PlannedFault[]];
  const specs = [fault, ...others.map((one) => one.fault)] as const;
  const { acknowledged, commitInFlight } = at;
  const isEventDriven = acknowledged !== undefined || commitInFlight === true;
  return [
    `${faults.length} times ${FAULT_KINDS.of(fault.kind).describe([...specs])}`,
    ...(isEventDriven ? [describePlannedTrigger({ ...at, afterMs: 0 })] : []),
    ...(forMs === undefined ? [] : [`undone after ${lengthText(forMs)}`]),
    'drawn from the seed',
  ].join(', ');
}

function describePlannedTrigger({ afterMs, acknowledged, commitInFlight }: FaultTrigger): string {
  const from = afterMs === 0 ? '' : ` from ${lengthText(afterMs)} on`;
  if (acknowledged !== undefined) {
    const { operation, lagMs } = acknowledged;
    const lag = lagMs === 0 ? 'at' : `${lengthText(lagMs)} after`;
    return `${lag} the first acknowledged ${operation}${from}`;
  }
  if (commitInFlight === true) return `while a COMMIT is in flight${from}`;
  return afterMs === 0 ? 'at once' : `${lengthText(afterMs)} into the phase`;
}
