/**
 * Workload to schedule: who asks for what, when and where. A pure function of workload, seed and the numbers of
 * accounts and targets, so every arm of a run meets the same arrivals, operations and accounts. Each of these
 * choices has a stream of its own: one more target changes only who answers. So has each group of accounts, and
 * each load of a mix: what one of them draws moves nothing in the others.
 */
import { type AccountGroups, AccountWalk, NO_GROUPS } from './account-walk.ts';
import { arrivalTimes, durationMs } from './arrivals.ts';
import { below, createRandom, erlang, type Random, shuffled, weightedPick } from './random.ts';
import { longestMs } from './retry.ts';
import { validate } from './validate-workload.ts';
import type {
  MixWorkload,
  OpenWorkload,
  PlannedOperation,
  SweepWorkload,
  UsersWorkload,
  Workload,
} from './workload.ts';

/** A user's next step: think, then send. The first `thinkUs` is the wait before the first request. */
export interface UserStep {
  readonly thinkUs: number;
  readonly template: number;
  readonly target: number;
}

export function* openSchedule(
  workload: OpenWorkload,
  seed: number,
  accounts: number,
  targets = 1,
  groups: AccountGroups = NO_GROUPS,
): Generator<PlannedOperation, void> {
  validate(workload);
  yield* planOf(workload, createRandom(seed), { accounts, targets, groups, firstTemplate: 0 });
}

/** The streams' schedules in the order of time, at equal instants in that of the streams. */
export function* mixSchedule(
  workload: MixWorkload,
  seed: number,
  accounts: number,
  targets = 1,
  groups: AccountGroups = NO_GROUPS,
): Generator<PlannedOperation, void> {
  validate(workload);
  const random = createRandom(seed).fork('streams');
  let firstTemplate = 0;
  const plans = workload.streams.map((stream, index) => {
    const plan = planOf(stream, random.fork(index), { accounts, targets, groups, firstTemplate });
    firstTemplate += stream.operations.length;
    return { plan, next: plan.next() };
  });
  for (;;) {
    let first: (typeof plans)[number] | null = null;
    let planned: PlannedOperation | null = null;
    // A handful of streams: looking at each costs less than a heap of them.
    for (const one of plans) {
      const { next } = one;
      if (next.done || (planned !== null && next.value.atUs >= planned.atUs)) continue;
      first = one;
      planned = next.value;
    }
    if (first === null || planned === null) return;
    yield planned;
    first.next = first.plan.next();
  }
}

interface Players {
  readonly accounts: number;
  readonly targets: number;
  readonly groups: AccountGroups;
  /** Number of the workload's first template in the plan. */
  readonly firstTemplate: number;
}

function* planOf(
  workload: OpenWorkload,
  random: Random,
  { accounts, targets, groups, firstTemplate }: Players,
): Generator<PlannedOperation, void> {
  const mix = random.fork('mix');
  const where = random.fork('targets');
  const pick = weightedPick(workload.operations.map((operation) => operation.weight));
  const walks = walksOf(workload, random.fork('accounts'), accounts, groups);
  for (const atUs of arrivalTimes(workload, random.fork('arrivals'))) {
    const template = pick(mix);
    const walk = walks[template]!;
    walk.advance();
    const { account, position } = walk;
    const target = below(where, targets);
    yield { atUs, account, position, template: firstTemplate + template, target };
  }
}

/** One for each template: those of a group share its walk, those of none the walk over all accounts. */
function walksOf(
  { operations }: OpenWorkload,
  random: Random,
  accounts: number,
  groups: AccountGroups,
): readonly AccountWalk[] {
  const all = new AccountWalk(random, accounts);
  const walks = new Map<string, AccountWalk>();
  return operations.map(({ name, group }) => {
    if (group === undefined) return all;
    const members = groups.get(group);
    if (members === undefined) {
      throw new RangeError(`operation ${name}: no account is of the group ${group}`);
    }
    const walk = walks.get(group) ?? new AccountWalk(random.fork(group), accounts, members);
    walks.set(group, walk);
    return walk;
  });
}

/**
 * The endless plan of one user. The last `startBusy` of the initial users send at once, the others, and whoever
 * joins later, are found in mid-thought. The last, because the first accounts may be special ones, which must not
 * start in step.
 */
export function* userPlan(
  workload: UsersWorkload,
  seed: number,
  user: number,
  targets = 1,
): Generator<UserStep, never> {
  validate(workload);
  const random = createRandom(seed).fork('user').fork(user);
  const where = random.fork('targets');
  const pick = weightedPick(workload.operations.map((operation) => operation.weight));
  const { meanMs, shape } = workload.think;
  const residualUs = residualThinkMs(random, meanMs, shape) * 1000;
  const isBusy = user >= workload.users - workload.startBusy && user < workload.users;
  let thinkUs = isBusy ? 0 : residualUs;
  for (;;) {
    const template = pick(random);
    yield { thinkUs: Math.round(thinkUs), template, target: below(where, targets) };
    thinkUs = erlang(random, meanMs, shape) * 1000;
  }
}

/**
 * Each of the first `max` credentials in a seeded order, on one drawn target or on all in turn, beginning at a
 * drawn one. `account` is the index of the credential in its list.
 */
export function* sweepSchedule(
  workload: SweepWorkload,
  seed: number,
  credentials: number,
  targets = 1,
): Generator<PlannedOperation> {
  validate(workload);
  const random = createRandom(seed);
  const where = random.fork('targets');
  const order = shuffled(random.fork('sweep'), credentials).subarray(0, workload.max);
  const each = workload.everyTarget ? targets : 1;
  let index = 0;
  for (const account of order) {
    const first = below(where, targets);
    for (let step = 0; step < each; step += 1) {
      const atUs = Math.floor((index * 1e6) / workload.ratePerSecond);
      yield { atUs, account, position: account, template: 0, target: (first + step) % targets };
      index += 1;
    }
  }
}

/** What the length of a sweep depends on beside its declaration. */
export interface Swept {
  readonly credentials: number;
  readonly targets: number;
}

/** Planned length of a workload. */
export function plannedMs(
  workload: Workload,
  swept: Swept = { credentials: 0, targets: 1 },
): number {
  if (workload.kind === 'users') return workload.durationMs;
  if (workload.kind === 'open') return durationMs(workload);
  if (workload.kind === 'mix') return Math.max(...workload.streams.map(durationMs));
  const credentials = Math.min(swept.credentials, workload.max ?? Number.POSITIVE_INFINITY);
  const operations = credentials * (workload.everyTarget ? swept.targets : 1);
  return (operations / workload.ratePerSecond) * 1000;
}

/** The beginning of an open load, as long as asked for, at the rate it begins with. */
export function firstOf(workload: Workload, durationMs: number): Workload {
  const shortened = (open: OpenWorkload): OpenWorkload => {
    const [{ ratePerSecond }] = open.stages as readonly [OpenWorkload['stages'][number]];
    return { ...open, stages: [{ ratePerSecond, durationMs }] };
  };
  if (workload.kind === 'open') return shortened(workload);
  if (workload.kind === 'mix') return { ...workload, streams: workload.streams.map(shortened) };
  throw new RangeError(`a load of kind ${workload.kind} has no beginning`);
}

/** Until the last attempt of the last operation has been given up. */
export function limitMs(workload: Workload, swept: Swept, timeoutMs: number): number {
  const longest = workload.operations.map(({ retry }) => longestMs(retry, timeoutMs));
  return plannedMs(workload, swept) + Math.max(...longest);
}

/**
 * What is left of an Erlang think time seen at a random instant: a uniformly chosen number of its
 * exponential stages. Starting everyone with a whole think time would send them as one wave.
 */
function residualThinkMs(random: Random, meanMs: number, shape: number): number {
  const stages = 1 + Math.floor(random.next() * shape);
  return erlang(random, (meanMs * stages) / shape, stages);
}
