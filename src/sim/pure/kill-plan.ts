/**
 * Many kills in one phase, from a seed alone: which comes when, and to whom. Two never overlap on one target, and
 * what stops everybody (`alone`) overlaps with nothing: a process that starts again needs its stores. Faults of a
 * family are numbered through the whole drill, `gateway-kill#12`, so that each is itself in the history.
 */
import type { FaultSpec, FaultTrigger, PlannedFault } from '../fault-plan.ts';
import { below, type Random, shuffled } from './random.ts';

export interface KillKind {
  readonly family: string;
  /** A whole process, or one backend of a server. */
  readonly kind: 'kill' | 'kill-backend';
  /** One of them, each time. */
  readonly targets: readonly string[];
  readonly signal: Extract<FaultSpec, { kind: 'kill' }>['signal'];
  /** What it waits for once its time has come, and for how long at most. */
  readonly trigger?: Pick<FaultTrigger, 'acknowledged' | 'commitInFlight'>;
  /** Started again this long after it ended. */
  readonly forMs: number;
  /** Until it is surely back after that. */
  readonly backMs: number;
  readonly alone?: boolean;
}

export interface KillPlan {
  readonly kinds: readonly { readonly kind: KillKind; readonly count: number }[];
  readonly startMs: number;
  /** Most targets that may be down at one time. */
  readonly mostDown: number;
  /** Between two kills; each time a quarter more or less. */
  readonly spacingMs: number;
}

export interface PlannedKills {
  readonly faults: readonly PlannedFault[];
  /** When the last of them is surely over. */
  readonly endMs: number;
}

/** What a trigger's event is waited for as a rule, and at most: without it the kill comes all the same. */
const EVENT_MS = 300;
const LONGEST_EVENT_MS = 4_000;
const ALONE = 'alone';

/** `numbers` goes on from phase to phase. */
export function planKills(
  plan: KillPlan,
  random: Random,
  numbers: Map<string, number>,
): PlannedKills {
  const all = plan.kinds.flatMap(({ kind, count }) => Array.from({ length: count }, () => kind));
  const order = [...shuffled(random.fork('order'), all.length)].map((index) => all[index]!);
  const draws = random.fork('draws');
  const freeMs = new Map(all.flatMap(({ targets }) => targets).map((target) => [target, 0]));
  let [atMs, aloneUntilMs] = [plan.startMs, 0];
  const overs: number[] = [];
  const lastOf = new Map<string, string>();
  const names: string[] = [];
  const faults = order.map((kind): PlannedFault => {
    const others = kind.alone ? [...freeMs.values()] : [];
    const soonestMs = Math.min(...kind.targets.map((target) => freeMs.get(target)!));
    const roomMs = overs.toSorted((a, b) => b - a)[plan.mostDown - 1] ?? 0;
    atMs = Math.max(atMs, aloneUntilMs, soonestMs, roomMs, ...others);
    const free = kind.targets.filter((target) => freeMs.get(target)! <= atMs);
    const target = free[below(draws, free.length)]!;
    const overMs = atMs + (kind.trigger ? EVENT_MS : 0) + kind.forMs + kind.backMs;
    freeMs.set(target, overMs);
    if (kind.alone) aloneUntilMs = overMs;
    const number = (numbers.get(kind.family) ?? 0) + 1;
    numbers.set(kind.family, number);
    // As the plan has it; and as it must be even where everything takes longer than planned.
    const before = kind.alone ? [...lastOf.values()] : [lastOf.get(target), lastOf.get(ALONE)];
    const after = [...new Set([...before, names.at(-plan.mostDown)])].filter(
      (one) => one !== undefined,
    );
    const fault = faultOf(kind, { number, target, atMs: Math.round(atMs), after });
    overs.push(overMs);
    names.push(fault.name);
    lastOf.set(target, fault.name);
    if (kind.alone) lastOf.set(ALONE, fault.name);
    atMs += plan.spacingMs * (0.75 + draws.next() / 2);
    return fault;
  });
  return { faults, endMs: Math.ceil(Math.max(atMs, ...freeMs.values())) };
}

function faultOf(
  kind: KillKind,
  given: { number: number; target: string; atMs: number; after: readonly string[] },
): PlannedFault {
  const { family, signal, trigger, forMs } = kind;
  const { number, target, atMs, after } = given;
  return {
    name: `${family}#${number}`,
    at: { afterMs: atMs, ...(trigger && { ...trigger, latestMs: atMs + LONGEST_EVENT_MS }) },
    ...(after.length === 0 ? {} : { after }),
    fault: { kind: kind.kind, target, signal },
    forMs,
  };
}
