/**
 * Workload to schedule: who asks for what, when and where. A pure function of workload, seed and the numbers of
 * accounts and targets, so every arm of a run meets the same arrivals, operations and accounts. Each of these
 * choices has a stream of its own: one more target changes only who answers.
 *
 * Open arrivals are a process of rate 1 seen through the inverse of the expected count L(t), the integral of
 * the rate: the k-th arrival of a constant workload is where L(t) = k, a Poisson one adds exponential gaps of
 * mean 1 to L. Ramps and stages are exact that way, with no steps and no drift.
 */
import {
  below,
  createRandom,
  erlang,
  exponential,
  type Random,
  shuffled,
  weightedPick,
} from './random.ts';
import { longestMs } from './retry.ts';
import type {
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

/** Accounts in the order they are used: a seeded shuffle, walked round and round, so each is used equally often. */
export function accountOrder(seed: number, accounts: number): Uint32Array {
  return shuffled(createRandom(seed).fork('accounts'), accounts);
}

export function* openSchedule(
  workload: OpenWorkload,
  seed: number,
  accounts: number,
  targets = 1,
): Generator<PlannedOperation> {
  validate(workload);
  const random = createRandom(seed);
  const gaps = random.fork('arrivals');
  const mix = random.fork('mix');
  const where = random.fork('targets');
  const pick = weightedPick(workload.operations.map((operation) => operation.weight));
  const order = accountOrder(seed, accounts);
  const inverse = inverseExpectedCount(workload);
  const end = expectedArrivals(workload) - 1e-9;
  const poisson = workload.arrivals === 'poisson';
  let position = poisson ? exponential(gaps, 1) : 0;
  let atUs = 0;
  for (let index = 0; position < end; index += 1) {
    atUs = Math.max(atUs, Math.floor(inverse(position)));
    const account = accounts === 0 ? -1 : order[index % accounts]!;
    yield { atUs, account, template: pick(mix), target: below(where, targets) };
    position = poisson ? position + exponential(gaps, 1) : index + 1;
  }
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
      yield { atUs, account, template: 0, target: (first + step) % targets };
      index += 1;
    }
  }
}

/** Expected number of arrivals; for constant arrivals, rounded up, the exact number. */
export function expectedArrivals(workload: OpenWorkload): number {
  return workload.stages.reduce((sum, stage) => sum + stageArrivals(stage), 0);
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
  if (workload.kind === 'open') {
    return workload.stages.reduce((sum, stage) => sum + stage.durationMs, 0);
  }
  const credentials = Math.min(swept.credentials, workload.max ?? Number.POSITIVE_INFINITY);
  const operations = credentials * (workload.everyTarget ? swept.targets : 1);
  return (operations / workload.ratePerSecond) * 1000;
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

type Stage = OpenWorkload['stages'][number];

function stageArrivals(stage: Stage): number {
  const endRate = stage.endRatePerSecond ?? stage.ratePerSecond;
  return (((stage.ratePerSecond + endRate) / 2) * stage.durationMs) / 1000;
}

/** Microsecond at which the expected count reaches `position`; called with non-decreasing positions. */
function inverseExpectedCount(workload: OpenWorkload): (position: number) => number {
  const { stages } = workload;
  let index = 0;
  let countBefore = 0;
  let usBefore = 0;
  return (position) => {
    let stage = stages[index]!;
    while (index < stages.length - 1 && position >= countBefore + stageArrivals(stage)) {
      countBefore += stageArrivals(stage);
      usBefore += stage.durationMs * 1000;
      index += 1;
      stage = stages[index]!;
    }
    return (
      usBefore + Math.min(stage.durationMs * 1000, timeInStageUs(stage, position - countBefore))
    );
  };
}

/** Solves r t + a t^2 / 2 = count for t, in the form that stays exact for a = 0. */
function timeInStageUs(stage: Stage, count: number): number {
  if (count <= 0) return 0;
  const rate = stage.ratePerSecond;
  const slope = ((stage.endRatePerSecond ?? rate) - rate) / (stage.durationMs / 1000);
  const root = Math.sqrt(Math.max(0, rate * rate + 2 * slope * count));
  return ((2 * count) / (rate + root)) * 1e6;
}

/** A workload comes from a declaration or a flag; say which number is wrong before anything is started. */
export function validate(workload: Workload): void {
  if (workload.operations.length === 0) throw new RangeError('a workload needs an operation');
  for (const { retry } of workload.operations) {
    if (retry === undefined) continue;
    wholeAtLeast('retry.attempts', retry.attempts, 1);
    finiteAtLeast('retry.baseMs', retry.baseMs, 0);
    finiteAtLeast('retry.capMs', retry.capMs, 0);
  }
  if (workload.kind === 'users') {
    wholeAtLeast('users', workload.users, 0);
    wholeAtLeast('startBusy', workload.startBusy, 0);
    wholeAtLeast('think.shape', workload.think.shape, 1);
    finiteAtLeast('think.meanMs', workload.think.meanMs, 0);
    finiteAtLeast('durationMs', workload.durationMs, 0);
    return;
  }
  if (workload.kind === 'sweep') {
    finiteAtLeast('ratePerSecond', workload.ratePerSecond, Number.MIN_VALUE);
    wholeAtLeast('max', workload.max ?? 0, 0);
    return;
  }
  if (workload.stages.length === 0) throw new RangeError('an open workload needs a stage');
  for (const stage of workload.stages) {
    finiteAtLeast('ratePerSecond', stage.ratePerSecond, 0);
    finiteAtLeast('endRatePerSecond', stage.endRatePerSecond ?? 0, 0);
    finiteAtLeast('durationMs', stage.durationMs, Number.MIN_VALUE);
  }
}

function wholeAtLeast(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${name} must be a whole number of at least ${least}, got ${value}`);
  }
}

function finiteAtLeast(name: string, value: number, least: number): void {
  if (!Number.isFinite(value) || value < least) {
    throw new RangeError(`${name} must be a number of at least ${least}, got ${value}`);
  }
}
