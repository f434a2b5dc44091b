/**
 * The documented load: a finite population of users whose size is controlled so that PostgreSQL's CPU stays at the
 * documented utilisation. Only the CPU is controlled; latencies are an outcome. pure/load/calibration.ts has the laws;
 * design.md says why a fixed population was not enough.
 */

import type { SenderTotals } from '../pure/judge/measurements.ts';
import {
  type Population,
  PopulationController,
  type PopulationTarget,
  populationFor,
} from '../pure/load/calibration.ts';
import { isOutsideBand } from '../pure/load/phase-end.ts';
import type { CpuSample } from '../pure/measure/resources.ts';
import type { ArmSession } from '../run/arm-session.ts';
import type { CalibratedUsers } from './population.ts';

export class CpuControlledPopulation {
  readonly #session: ArmSession;
  readonly #users: CalibratedUsers;
  readonly #controller: PopulationController;
  /** Sizes since `resetSizes`. */
  #sizes: number[] = [];
  #previous: { cpu: CpuSample; totals: SenderTotals } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #pending: Promise<void> = Promise.resolve();

  private constructor(session: ArmSession, users: CalibratedUsers, serviceMs: number) {
    this.#session = session;
    this.#users = users;
    this.#controller = new PopulationController({
      target: populationTarget(users),
      serviceMs,
      timeConstantSeconds: users.control.timeConstantMs / 1_000,
      gainPerSecond: users.control.gainPerSecond,
    });
  }

  /** Starts the load at the population computed from `serviceMs` (CPU per request) and keeps correcting it. */
  static async start(
    session: ArmSession,
    users: CalibratedUsers,
    serviceMs: number,
  ): Promise<CpuControlledPopulation> {
    const population = new CpuControlledPopulation(session, users, serviceMs);
    const count = population.users;
    const startBusy = Math.min(Math.round(users.expectedMeanMs / serviceMs), count);
    await session.load.startUsers(count, startBusy);
    population.#timer = setInterval(() => {
      // Corrections never overlap: one that takes longer than the period delays the next.
      population.#pending = population.#pending.then(() => population.#correct()).catch(() => {});
    }, users.control.periodMs);
    return population;
  }

  get users(): number {
    return this.#population.users;
  }

  get isCapped(): boolean {
    return this.#population.isCapped;
  }

  get #population(): Population {
    return this.#controller.population;
  }

  /** Mean size since `resetSizes`, and its range as text. */
  summarizeSizes(): { readonly mean: number; readonly text: string } {
    const sizes = [...this.#sizes, this.users];
    const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
    const mean = Math.round(sizes.reduce((sum, size) => sum + size, 0) / sizes.length);
    return { mean, text: low === high ? `${low} users` : `${low} to ${high} users` };
  }

  resetSizes(): void {
    this.#sizes = [];
  }

  /**
   * Waits until the mean CPU of the last `warmupMs` is in the band, at most MAX_WARM_UPS times `warmupMs`. Returns a
   * note for the report: how long it took, or that the CPU did not settle.
   */
  async settle(): Promise<string> {
    const { warmupMs, cpuPercent, control: hold } = this.#users;
    const readings: CpuSample[] = [this.#session.cpu.sample()];
    for (let waitedMs = 0; waitedMs < warmupMs * MAX_WARM_UPS; waitedMs += hold.periodMs) {
      await this.#session.pause(hold.periodMs);
      const now = this.#session.cpu.sample();
      const from = readings.findLast(({ atUs }) => now.atUs - atUs >= warmupMs * 1_000);
      readings.push(now);
      if (from === undefined) continue;
      const utilisation = this.#session.utilisationBetween(from, now);
      if (!isOutsideBand(cpuPercent, utilisation === null ? null : utilisation * 100, 0)) {
        return `in the band after ${secondsBetween(readings[0]!, now)}`;
      }
    }
    return `not in the band after ${secondsBetween(readings[0]!, readings.at(-1)!)}`;
  }

  /** Stops correcting; the load continues. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#pending;
  }

  async #correct(): Promise<void> {
    const totals = await this.#session.load.totals();
    const cpu = this.#session.cpu.sample();
    const before = this.#previous;
    this.#previous = { cpu, totals };
    if (before === null) return;
    const utilisation = this.#session.utilisationBetween(before.cpu, cpu);
    if (utilisation === null) return;
    const seconds = (cpu.atUs - before.cpu.atUs) / 1e6;
    this.#sizes.push(this.users);
    const { users } = this.#controller.observe({
      seconds,
      completed: totals.completed - before.totals.completed,
      busySeconds: utilisation * seconds,
    });
    await this.#session.load.setUsers(users);
  }
}

/** Longest settling phase, in multiples of `warmupMs`; one warm-up covers three think times and a queue. */
const MAX_WARM_UPS = 3;

function secondsBetween(from: CpuSample, to: CpuSample): string {
  return `${((to.atUs - from.atUs) / 1e6).toFixed(1)} s`;
}

/** Population for the documented service time, for when no saturated arm has been measured. */
export function nominalUsers(users: CalibratedUsers): number {
  return populationFor(populationTarget(users), users.nominalServiceMs).users;
}

/** Measures PostgreSQL's CPU per operation, in ms, under a light open load. */
export async function probeServiceMs(
  session: ArmSession,
  { probe }: CalibratedUsers,
): Promise<number> {
  const { ratePerSecond, durationMs } = probe;
  // The first requests read the tables from disk; their service time is not representative.
  const warmUp = {
    name: 'warm-up',
    note: 'first requests on cold caches',
    plannedMs: durationMs / 2,
  };
  await session.runPhase(warmUp, () => session.load.runOpen(ratePerSecond, durationMs / 2));
  const note = 'service time of one request on this machine';
  const probed = await session.runPhase({ name: 'probe', note, plannedMs: durationMs }, () =>
    session.load.runOpen(ratePerSecond, durationMs),
  );
  // No CPU reading (a database on another machine): without queueing, the response time is the service time.
  return probed.utilisation === null || probed.completedPerSecond === 0
    ? Math.max(0.1, probed.meanUs / 1_000)
    : Math.max(0.01, (probed.utilisation / probed.completedPerSecond) * 1_000);
}

function populationTarget(users: CalibratedUsers): PopulationTarget {
  const { cpuPercent, think, minUsers, maxUsers } = users;
  return {
    utilisation: cpuPercent.target / 100,
    thinkMeanMs: think.meanMs,
    responseMeanMs: users.expectedMeanMs,
    minUsers,
    maxUsers,
  };
}
