/**
 * The documented load: a finite population of users, held at the size that keeps PostgreSQL as busy as the
 * incident report says. The CPU is what is held; the latencies have to follow by themselves. See
 * pure/calibration.ts for the laws, and design.md for why a population of a fixed size was not enough.
 */
import type { ArmRun } from '../arm-run.ts';
import type { SenderTotals } from '../effects/load/engine/sender.ts';
import {
  type Population,
  PopulationController,
  type PopulationTarget,
  populationFor,
} from '../pure/calibration.ts';
import { isOffBand } from '../pure/phase-end.ts';
import type { CpuSample } from '../pure/resources.ts';
import type { CalibratedUsers } from './population.ts';

export class ControlledPopulation {
  readonly #arm: ArmRun;
  readonly #users: CalibratedUsers;
  readonly #controller: PopulationController;
  /** Every size it has had since `mark`. */
  #sizes: number[] = [];
  #seen: { cpu: CpuSample; totals: SenderTotals } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();

  private constructor(arm: ArmRun, users: CalibratedUsers, serviceMs: number) {
    this.#arm = arm;
    this.#users = users;
    this.#controller = new PopulationController({
      target: targetOf(users),
      serviceMs,
      memorySeconds: users.hold.memoryMs / 1_000,
      gainPerSecond: users.hold.gainPerSecond,
    });
  }

  /** Starts the load with the population for `serviceMs` of CPU a request, and keeps correcting it. */
  static async start(
    arm: ArmRun,
    users: CalibratedUsers,
    serviceMs: number,
  ): Promise<ControlledPopulation> {
    const held = new ControlledPopulation(arm, users, serviceMs);
    const count = held.users;
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

  get #population(): Population {
    return this.#controller.population;
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

  /**
   * Waits at least `warmupMs`, and within bounds until the CPU of the last `warmupMs` was in the band. Says how it
   * went: the wait and, where it did not settle, that.
   */
  async settle(): Promise<string> {
    const { warmupMs, cpuPercent, hold } = this.#users;
    const readings: CpuSample[] = [this.#arm.cpu.sample()];
    for (let waitedMs = 0; waitedMs < warmupMs * MOST_WARM_UPS; waitedMs += hold.periodMs) {
      await this.#arm.pause(hold.periodMs);
      const now = this.#arm.cpu.sample();
      const from = readings.findLast(({ atUs }) => now.atUs - atUs >= warmupMs * 1_000);
      readings.push(now);
      if (from === undefined) continue;
      const utilisation = this.#arm.utilisationBetween(from, now);
      if (!isOffBand(cpuPercent, utilisation === null ? null : utilisation * 100, 0)) {
        return `in the band after ${secondsBetween(readings[0]!, now)}`;
      }
    }
    return `not in the band after ${secondsBetween(readings[0]!, readings.at(-1)!)}`;
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
    const utilisation = this.#arm.utilisationBetween(before.cpu, cpu);
    if (utilisation === null) return;
    const seconds = (cpu.atUs - before.cpu.atUs) / 1e6;
    this.#sizes.push(this.users);
    const { users } = this.#controller.observe({
      seconds,
      completed: totals.completed - before.totals.completed,
      busySeconds: utilisation * seconds,
    });
    await this.#arm.load.setUsers(users);
  }
}

/** A settling phase may take this many warm-ups: three think times and a queue pass in one. */
const MOST_WARM_UPS = 3;

function secondsBetween(from: CpuSample, to: CpuSample): string {
  return `${((to.atUs - from.atUs) / 1e6).toFixed(1)} s`;
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
