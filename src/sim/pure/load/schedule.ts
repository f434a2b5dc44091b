/**
 * From a workload to a schedule: time, operation, account and target of each request. A pure function of workload, seed
 * and the numbers of accounts and targets, so every arm of a run gets the same schedule. Each choice, each group of
 * accounts and each stream of a mix has a random stream of its own: one more target changes the targets only.
 */

import {
  createRandom,
  erlang,
  type Random,
  randomBelow,
  shuffled,
  weightedPick,
} from '../random.ts';
import { arrivalTimes, durationMs } from './arrivals.ts';
import { maxOperationMs } from './retry.ts';
import { type AccountGroups, NO_GROUPS, RoundRobin } from './round-robin.ts';
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
  yield* planStream(workload, createRandom(seed), { accounts, targets, groups, firstTemplate: 0 });
}

/** Merges the streams' schedules by time; equal instants in the order of the streams. */
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
    const plan = planStream(stream, random.fork(index), {
      accounts,
      targets,
      groups,
      firstTemplate,
    });
    firstTemplate += stream.operations.length;
    return { plan, next: plan.next() };
  });
  for (;;) {
    let first: (typeof plans)[number] | null = null;
    let planned: PlannedOperation | null = null;
    // With a handful of streams a linear scan is cheaper than a heap.
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

interface ScheduleInputs {
  readonly accounts: number;
  readonly targets: number;
  readonly groups: AccountGroups;
  /** Index of the workload's first template in the plan. */
  readonly firstTemplate: number;
}

function* planStream(
  workload: OpenWorkload,
  random: Random,
  { accounts, targets, groups, firstTemplate }: ScheduleInputs,
): Generator<PlannedOperation, void> {
  const mix = random.fork('mix');
  const targetRandom = random.fork('targets');
  const pick = weightedPick(workload.operations.map((operation) => operation.weight));
  const roundRobins = createRoundRobins(workload, random.fork('accounts'), accounts, groups);
  for (const atUs of arrivalTimes(workload, random.fork('arrivals'))) {
    const template = pick(mix);
    const roundRobin = roundRobins[template]!;
    roundRobin.advance();
    const { account, position } = roundRobin;
    const target = randomBelow(targetRandom, targets);
    yield { atUs, account, position, template: firstTemplate + template, target };
  }
}

/** One per template: templates of a group share one, templates without a group share the one over all accounts. */
function createRoundRobins(
  { operations }: OpenWorkload,
  random: Random,
  accounts: number,
  groups: AccountGroups,
): readonly RoundRobin[] {
  const all = new RoundRobin(random, accounts);
  const roundRobins = new Map<string, RoundRobin>();
  return operations.map(({ name, group }) => {
    if (group === undefined) return all;
    const members = groups.get(group);
    if (members === undefined) {
      throw new RangeError(`operation ${name}: no account is of the group ${group}`);
    }
    const roundRobin =
      roundRobins.get(group) ?? new RoundRobin(random.fork(group), accounts, members);
    roundRobins.set(group, roundRobin);
    return roundRobin;
  });
}

/**
 * The endless plan of one user. The last `startBusy` of the initial users send at once; all others start with a residual
 * think time. The last, because the first accounts may be special ones, which must not start in step.
 */
export function* userPlan(
  workload: UsersWorkload,
  seed: number,
  user: number,
  targets = 1,
): Generator<UserStep, never> {
  validate(workload);
  const random = createRandom(seed).fork('user').fork(user);
  const targetRandom = random.fork('targets');
  const pick = weightedPick(workload.operations.map((operation) => operation.weight));
  const { meanMs, shape } = workload.think;
  const residualUs = residualThinkMs(random, meanMs, shape) * 1000;
  const isBusy = user >= workload.users - workload.startBusy && user < workload.users;
  let thinkUs = isBusy ? 0 : residualUs;
  for (;;) {
    const template = pick(random);
    yield { thinkUs: Math.round(thinkUs), template, target: randomBelow(targetRandom, targets) };
    thinkUs = erlang(random, meanMs, shape) * 1000;
  }
}

/**
 * Each of the first `max` credentials in a seeded order, on one random target, or on all in turn from a random one.
 * `account` is the index of the credential in its list.
 */
export function* sweepSchedule(
  workload: SweepWorkload,
  seed: number,
  credentials: number,
  targets = 1,
): Generator<PlannedOperation> {
  validate(workload);
  const random = createRandom(seed);
  const targetRandom = random.fork('targets');
  const order = shuffled(random.fork('sweep'), credentials).subarray(0, workload.max);
  const targetsPerCredential = workload.everyTarget ? targets : 1;
  let index = 0;
  for (const account of order) {
    const first = randomBelow(targetRandom, targets);
    for (let step = 0; step < targetsPerCredential; step += 1) {
      const atUs = Math.floor((index * 1e6) / workload.ratePerSecond);
      yield { atUs, account, position: account, template: 0, target: (first + step) % targets };
      index += 1;
    }
  }
}

/** Counts that the length of a sweep depends on. */
export interface SweepSize {
  readonly credentials: number;
  readonly targets: number;
}

/** Planned length of a workload. */
export function plannedMs(
  workload: Workload,
  size: SweepSize = { credentials: 0, targets: 1 },
): number {
  if (workload.kind === 'users') return workload.durationMs;
  if (workload.kind === 'open') return durationMs(workload);
  if (workload.kind === 'mix') return Math.max(...workload.streams.map(durationMs));
  const credentials = Math.min(size.credentials, workload.max ?? Number.POSITIVE_INFINITY);
  const operations = credentials * (workload.everyTarget ? size.targets : 1);
  return (operations / workload.ratePerSecond) * 1000;
}

/** An open load of `durationMs` at the workload's initial rate. */
export function workloadStart(workload: Workload, durationMs: number): Workload {
  const shortened = (open: OpenWorkload): OpenWorkload => {
    const [{ ratePerSecond }] = open.stages as readonly [OpenWorkload['stages'][number]];
    return { ...open, stages: [{ ratePerSecond, durationMs }] };
  };
  if (workload.kind === 'open') return shortened(workload);
  if (workload.kind === 'mix') return { ...workload, streams: workload.streams.map(shortened) };
  throw new RangeError(`a load of kind ${workload.kind} has no beginning`);
}

/** Upper bound of a load's length, until its last attempt has timed out. */
export function maxDurationMs(workload: Workload, size: SweepSize, timeoutMs: number): number {
  const operationMs = workload.operations.map(({ retry, timeoutMs: own = timeoutMs }) =>
    maxOperationMs(retry, own),
  );
  return plannedMs(workload, size) + Math.max(...operationMs);
}

/**
 * Residual Erlang think time at a random instant: a uniformly chosen number of its exponential stages. Starting all
 * users with a whole think time would send them as one wave.
 */
function residualThinkMs(random: Random, meanMs: number, shape: number): number {
  const stages = 1 + Math.floor(random.next() * shape);
  return erlang(random, (meanMs * stages) / shape, stages);
}
