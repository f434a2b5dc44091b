/** A planned fault in words: what is done, when, and until when. */
import { bytesText } from '../report/format.ts';
import type { FaultSpec, LinkName, LinkRule, Moment, PlannedFault } from '../sim/fault-plan.ts';
import { lengthText } from './explain-text.ts';

/** `kill -9 of gateway.2, 20 ms after the first acknowledged logout, undone after 500 ms`. */
export function faultWords({ at, fault, forMs }: PlannedFault): string {
  const until =
    forMs === undefined ? "undone at the phase's end" : `undone after ${lengthText(forMs)}`;
  return `${what(fault)}, ${momentWords(at)}, ${until}`;
}

/** `55 times kill -9 of gateway.1 or gateway.2, 3 ms after an acknowledged create, undone after 150 ms, drawn from the seed`. */
export function familyWords(faults: readonly PlannedFault[]): string {
  const [{ at, fault, forMs }] = faults as readonly [PlannedFault];
  const targets = [...new Set(faults.flatMap((one) => targetsOf(one.fault)))].sort();
  const done =
    fault.kind === 'link' ? what(fault) : what({ ...fault, target: targets.join(' or ') });
  const { acknowledged, commitInFlight } = at;
  const waits = acknowledged !== undefined || commitInFlight === true;
  return [
    `${faults.length} times ${done}`,
    ...(waits ? [momentWords({ ...at, afterMs: 0 })] : []),
    ...(forMs === undefined ? [] : [`undone after ${lengthText(forMs)}`]),
    'drawn from the seed',
  ].join(', ');
}

const targetsOf = (fault: FaultSpec): string[] => (fault.kind === 'link' ? [] : [fault.target]);

function what(fault: FaultSpec): string {
  switch (fault.kind) {
    case 'kill': {
      const target = fault.target === 'postgres-backend' ? 'one PostgreSQL backend' : fault.target;
      return `${fault.signal === 'SIGKILL' ? 'kill -9' : 'kill -TERM'} of ${target}`;
    }
    case 'pause':
      return `pause of ${fault.target} (SIGSTOP)`;
    case 'link':
      return linkWords(fault.rule, between(fault.link, fault.instance));
    default:
      return fault satisfies never;
  }
}

function between(link: LinkName, instance = 'every process of the service'): string {
  switch (link) {
    case 'client-service':
      return `between clients and ${instance}`;
    case 'service-redis':
      return `between ${instance} and Redis`;
    case 'service-postgres':
      return `between ${instance} and PostgreSQL`;
    default:
      return link satisfies never;
  }
}

function linkWords(rule: LinkRule, where: string): string {
  switch (rule.kind) {
    case 'latency':
      return `${lengthText(rule.meanMs)} more, give or take ${lengthText(rule.jitterMs)}, ${where}`;
    case 'bandwidth':
      return `at most ${bytesText(rule.bytesPerSecond)} a second ${where}`;
    case 'blackhole':
      return `everything swallowed ${where}`;
    case 'reset':
      return `connections reset and refused ${where}`;
    case 'half-open':
      return `connections left half open ${where}`;
    case 'cut-reply':
      return `connection cut before ${rule.every === 1 ? 'every reply' : `one reply in ${rule.every}`} ${where}`;
    case 'fail-request':
      return `request ${rule.k} answered with an error ${where}`;
    default:
      return rule satisfies never;
  }
}

function momentWords({ afterMs, acknowledged, commitInFlight }: Moment): string {
  const from = afterMs === 0 ? '' : ` from ${lengthText(afterMs)} on`;
  if (acknowledged !== undefined) {
    const { operation, lagMs } = acknowledged;
    const lag = lagMs === 0 ? 'at' : `${lengthText(lagMs)} after`;
    return `${lag} the first acknowledged ${operation}${from}`;
  }
  if (commitInFlight === true) return `while a COMMIT is in flight${from}`;
  return afterMs === 0 ? 'at once' : `${lengthText(afterMs)} into the phase`;
}
