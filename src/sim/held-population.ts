/**
 * The documented load: a finite population of users, held at the size that keeps PostgreSQL as busy as the
 * incident report says. The CPU is what is held; the latencies have to follow by themselves. See
 * pure/calibration.ts for the laws, and design.md for why a population of a fixed size was not enough.
 */
import type { ArmRun } from './arm-run.ts';
import type { SenderTotals } from './effects/load/engine/sender.ts';
import {
  LoadMemory,
  type Population,
  type PopulationTarget,
  populationFor,
} from './pure/calibration.ts';
import { type CpuSample, cpuPercentBetween } from './pure/resources.ts';
import type { CalibratedUsers } from './scenario.ts';

export class HeldPopulation {
  readonly #arm: ArmRun;
  readonly #users: CalibratedUsers;
  readonly #memory: LoadMemory;
  /** Every size it has had since `mark`. */
  #sizes: number[] = [];
  #population: Population;
  #seen: { cpu: CpuSample; totals: SenderTotals } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();

  private constructor(arm: ArmRun, users: CalibratedUsers, serviceMs: number) {
    this.#arm = arm;
    this.#users = users;
    this.#memory = new LoadMemory(users.hold.memoryMs / 1_000);
    // The probe counts as one memory of load at the target; otherwise the first seconds decide, in which a queue
    // builds up and CPU is spent on what is not completed yet.
    const busySeconds = (users.hold.memoryMs / 1_000) * (users.cpuPercent.target / 100);
    this.#memory.learn({ seconds: 0, busySeconds, completed: (busySeconds * 1_000) / serviceMs });
    this.#population = populationFor(targetOf(users), serviceMs);
  }

  /** Starts the load with the population for `serviceMs` of CPU a request, and keeps correcting it. */
  static async start(
    arm: ArmRun,
    users: CalibratedUsers,
    serviceMs: number,
  ): Promise<HeldPopulation> {
    const held = new HeldPopulation(arm, users, serviceMs);
    const { users: count } = held.#population;
    const startBusy = Math.min(Math.round(users.expectedMeanMs / serviceMs), count);
    await arm.load.startUsers(count, startBusy);
    held.#timer = setInterval(() => {
      // A turn that takes longer than the period delays the next one; they never overlap.
      held.#turn = held.#turn.then(() => held.#correct()).catch(() => {});
    }, users.hold.periodMs);
    return held;
  }

  get users(): number {
    return this.#population.users;
  }

  get isCapped(): boolean {
    return this.#population.capped;
  }

  /** Mean size since the last mark, and its range in words. */
  sizes(): { readonly mean: number; readonly text: string } {
    const sizes = [...this.#sizes, this.users];
    const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
    const mean = Math.round(sizes.reduce((sum, size) => sum + size, 0) / sizes.length);
    return { mean, text: low === high ? `${low} users` : `${low} to ${high} users` };
  }

  mark(): void {
    this.#sizes = [];
  }

  /** Stops correcting; the load goes on. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#turn;
  }

  async #correct(): Promise<void> {
    const totals = await this.#arm.load.totals();
    const cpu = this.#arm.cpu.sample();
    const before = this.#seen;
    this.#seen = { cpu, totals };
    if (before === null) return;
    const percent = cpuPercentBetween(before.cpu, cpu, 'postgres');
    if (percent === null) return;
    const seconds = (cpu.atUs - before.cpu.atUs) / 1e6;
    const completed = totals.completed - before.totals.completed;
    this.#memory.learn({
      seconds,
      completed,
      busySeconds: (percent / 100 / this.#arm.testbed.databaseCores) * seconds,
    });
    const next = this.#memory.population(targetOf(this.#users));
    if (next === null) return;
    this.#sizes.push(this.users);
    this.#population = next;
    await this.#arm.load.setUsers(next.users);
  }
}

/** The documented service time, where there is no saturated arm to size the population on. */
export function nominalUsers(users: CalibratedUsers): number {
  return populationFor(targetOf(users), users.nominalServiceMs).users;
}

/** CPU that PostgreSQL spends on one operation, ms, from a light open load. */
export async function probeServiceMs(arm: ArmRun, { probe }: CalibratedUsers): Promise<number> {
  const { ratePerSecond, durationMs } = probe;
  // The first requests read the tables into memory; they say nothing about a service time.
  const warmUp = {
    name: 'warm-up',
    note: 'first requests on cold caches',
    plannedMs: durationMs / 2,
  };
  await arm.phase(warmUp, () => arm.load.runOpen(ratePerSecond, durationMs / 2));
  const note = 'service time of one request on this machine';
  const seen = await arm.phase({ name: 'probe', note, plannedMs: durationMs }, () =>
    arm.load.runOpen(ratePerSecond, durationMs),
  );
  // No CPU reading (a database on another machine): a lone request's response time is its service time.
  return seen.utilisation === null || seen.completedPerSecond === 0
    ? Math.max(0.1, seen.meanUs / 1_000)
    : Math.max(0.01, (seen.utilisation / seen.completedPerSecond) * 1_000);
}

function targetOf(users: CalibratedUsers): PopulationTarget {
  const { cpuPercent, think, minUsers, maxUsers } = users;
  return {
    ...{ utilisation: cpuPercent.target / 100, thinkMeanMs: think.meanMs },
    ...{ responseMeanMs: users.expectedMeanMs, minUsers, maxUsers },
  };
}
