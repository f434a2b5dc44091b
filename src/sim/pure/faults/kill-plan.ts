/**
 * Plans many kills in one phase from a seed: order, time and target. Kills of one target never overlap, and an
 * `exclusive` kill overlaps with none: a restarting process needs its stores. Faults of a family are numbered through
 * all phases, `gateway-kill#12`, so that each name is unique in the history.
 */
import type { FaultSpec, FaultTrigger, NoticedBy, PlannedFault } from '../../fault-plan.ts';
import { type Random, randomBelow, shuffled } from '../random.ts';

export interface KillKind {
  readonly family: string;
  /** A whole process, or one backend of a server. */
  readonly kind: 'kill' | 'kill-backend';
  /** One is drawn for each kill. */
  readonly targets: readonly string[];
  readonly signal: Extract<FaultSpec, { kind: 'kill' }>['signal'];
  /** Event that the kill waits for after its planned time. */
  readonly trigger?: Pick<FaultTrigger, 'acknowledged' | 'commitInFlight'>;
  /** Downtime before the restart. */
  readonly forMs: number;
  /** Upper bound of the restart. */
  readonly recoveryMs: number;
  readonly exclusive?: boolean;
  readonly noticed?: readonly NoticedBy[];
}

export interface KillPlan {
  readonly kinds: readonly { readonly kind: KillKind; readonly count: number }[];
  readonly startMs: number;
  /** Maximum number of targets down at one time. */
  readonly maxDown: number;
  /** Mean time between two kills; varies by a quarter. */
  readonly spacingMs: number;
}

export interface PlannedKills {
  readonly faults: readonly PlannedFault[];
  /** Upper bound of the last recovery. */
  readonly endMs: number;
}

/** Typical and maximum wait for a trigger's event; after the maximum the kill happens without it. */
const TYPICAL_EVENT_WAIT_MS = 300;
const MAX_EVENT_WAIT_MS = 4_000;
const EXCLUSIVE = 'alone';

/** `counters`: last number of each family, carried from phase to phase. */
export function planKills(
  plan: KillPlan,
  random: Random,
  counters: Map<string, number>,
): PlannedKills {
  const all = plan.kinds.flatMap(({ kind, count }) => Array.from({ length: count }, () => kind));
  const order = [...shuffled(random.fork('order'), all.length)].map((index) => all[index]!);
  const draws = random.fork('draws');
  const availableAtMs = new Map(all.flatMap(({ targets }) => targets).map((target) => [target, 0]));
  let [atMs, exclusiveUntilMs] = [plan.startMs, 0];
  const endTimesMs: number[] = [];
  const lastFaultOn = new Map<string, string>();
  const names: string[] = [];
  const faults = order.map((kind): PlannedFault => {
    const others = kind.exclusive ? [...availableAtMs.values()] : [];
    const earliestMs = Math.min(...kind.targets.map((target) => availableAtMs.get(target)!));
    const slotFreeMs = endTimesMs.toSorted((a, b) => b - a)[plan.maxDown - 1] ?? 0;
    atMs = Math.max(atMs, exclusiveUntilMs, earliestMs, slotFreeMs, ...others);
    const free = kind.targets.filter((target) => availableAtMs.get(target)! <= atMs);
    const target = free[randomBelow(draws, free.length)]!;
    const killEndMs =
      atMs + (kind.trigger ? TYPICAL_EVENT_WAIT_MS : 0) + kind.forMs + kind.recoveryMs;
    availableAtMs.set(target, killEndMs);
    if (kind.exclusive) exclusiveUntilMs = killEndMs;
    const number = (counters.get(kind.family) ?? 0) + 1;
    counters.set(kind.family, number);
    // The times above follow the plan; `after` enforces the same order when a step takes longer than planned.
    const before = kind.exclusive
      ? [...lastFaultOn.values()]
      : [lastFaultOn.get(target), lastFaultOn.get(EXCLUSIVE)];
    const after = [...new Set([...before, names.at(-plan.maxDown)])].filter(
      (one) => one !== undefined,
    );
    const fault = buildFault(kind, { number, target, atMs: Math.round(atMs), after });
    endTimesMs.push(killEndMs);
    names.push(fault.name);
    lastFaultOn.set(target, fault.name);
    if (kind.exclusive) lastFaultOn.set(EXCLUSIVE, fault.name);
    atMs += plan.spacingMs * (0.75 + draws.next() / 2);
    return fault;
  });
  return { faults, endMs: Math.ceil(Math.max(atMs, ...availableAtMs.values())) };
}

function buildFault(
  kind: KillKind,
  given: { number: number; target: string; atMs: number; after: readonly string[] },
): PlannedFault {
  const { family, signal, trigger, forMs, noticed } = kind;
  const { number, target, atMs, after } = given;
  return {
    name: `${family}#${number}`,
    at: { afterMs: atMs, ...(trigger && { ...trigger, latestMs: atMs + MAX_EVENT_WAIT_MS }) },
    ...(after.length === 0 ? {} : { after }),
    fault: { kind: kind.kind, target, signal },
    forMs,
    ...(noticed && { noticed }),
  };
}
